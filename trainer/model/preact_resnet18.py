"""The pre-activation ResNet-18 for CIFAR of the mixup paper."""

from dataclasses import dataclass

from torch import nn

from trainer.model import MODELS
from trainer.model._blocks import conv_bn_act, global_average_pool
from trainer.model._preact import PreactBlock

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # channels, stride of the first of two blocks


@MODELS.register("preact_resnet18")
@dataclass(frozen=True)
class PreactResNet18:
    """Pre-activation ResNet-18 for CIFAR, 11.2M parameters, as in mixup's public code.

    "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412; its code is
    github.com/facebookresearch/mixup-cifar10. Blocks of arXiv:1603.05027, and like that code, but
    unlike that paper: the first convolution has BatchNorm and ReLU, a shortcut that keeps the shape
    starts after the block's first ReLU, and none follows the last block. Weights are drawn by
    torch's defaults, as there.

    Deviation: the last 4x4 average pooling is global, which is the same for 32x32 images.
    """

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) of any size -> logits (B, K)."""
        layers: list[nn.Module] = [conv_bn_act(image_shape[0], 64)]
        channels = 64
        for width, stride in STAGES:
            layers.append(PreactBlock(channels, width, stride, raw_identity=False))
            layers.append(PreactBlock(width, width, 1, raw_identity=False))
            channels = width
        return nn.Sequential(*layers, global_average_pool(), nn.Linear(channels, num_classes))
