"""ResNet-56 for CIFAR."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from trainer.model import MODELS
from trainer.model._cifar_resnet import Shortcut, cifar_resnet


@MODELS.register("resnet56")
@dataclass(frozen=True)
class ResNet56:
    """The network of 56 layers and 0.85M parameters of arXiv:1512.03385, section 4.2.

    The paper reports 93.03 % on CIFAR-10. Deviation: the zero channels of shortcut A come last.

    Attributes:
        shortcut: where the shape changes, `A` for every second pixel and zero channels (no weights,
            the paper's choice for CIFAR), `B` for a 1x1 convolution with BatchNorm.
        zero_gamma: whether the last BatchNorm of each block starts with scale 0, so that the block
            hands on its shortcut alone ("Bag of Tricks", arXiv:1812.01187).
    """

    shortcut: Shortcut = "A"
    zero_gamma: bool = False

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) of any size -> logits (B, K)."""
        return cifar_resnet(
            56,
            image_shape,
            num_classes,
            shortcut=self.shortcut,
            zero_gamma=self.zero_gamma,
        )
