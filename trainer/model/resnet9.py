"""ResNet-9, the fast CIFAR-10 network of DAWNBench fame."""

from dataclasses import dataclass
from functools import partial

from torch import nn

from trainer.model import MODELS, check_in
from trainer.model._blocks import (
    Activation,
    Residual,
    Scale,
    conv_bn_act,
    global_max_pool,
    require_size,
)
from trainer.model._ghost import require_ghost_batch


@MODELS.register("resnet9")
@dataclass(frozen=True)
class ResNet9:
    """The "Residual:L1+L3" network of "How to Train Your ResNet".

    David Page, myrtle.ai, 2018; code: github.com/davidcpage/cifar10-fast.

    Five convolutions (prep, layers 1 to 3 of doubling width; layers end in 2x2 max pooling) and,
    after the first and the third layer, a residual of two more; global max pool; a linear layer
    without bias. A convolution always has BatchNorm and a nonlinearity, and the residual's sum is
    not followed by another.

    Deviation: the last 4x4 max pooling is global, which is the same for 32x32 images and takes
    other sizes too.

    Attributes:
        width: channels of the first convolution; the last has 8 times as many.
        logit_scale: constant factor on the logits.
        act: nonlinearity after each BatchNorm; `celu` has alpha 0.3 as in cifar10-fast.
        ghost_batch: images that BatchNorm normalises together in training (arXiv:1705.08741), or
            None for all that a process takes at a time.
    """

    width: int = 64
    logit_scale: float = 0.125
    act: Activation = "relu"
    ghost_batch: int | None = None

    def __post_init__(self) -> None:
        check_in("[1, inf)", "model.width", self.width)
        check_in("(0, inf)", "model.logit_scale", self.logit_scale)
        require_ghost_batch(self.ghost_batch)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) -> logits (B, K).

        Raises:
            ConfigError: for images under 8x8, which three poolings leave nothing of.
        """
        require_size("resnet9", image_shape, 8)
        width = self.width
        conv = partial(conv_bn_act, act=self.act, ghost_batch=self.ghost_batch)

        def layer(in_channels: int, out_channels: int) -> nn.Sequential:
            return nn.Sequential(conv(in_channels, out_channels), nn.MaxPool2d(2))

        def residual(channels: int) -> Residual:
            return Residual(nn.Sequential(conv(channels, channels), conv(channels, channels)))

        return nn.Sequential(
            conv(image_shape[0], width),
            layer(width, 2 * width),
            residual(2 * width),
            layer(2 * width, 4 * width),
            layer(4 * width, 8 * width),
            residual(8 * width),
            global_max_pool(),
            nn.Linear(8 * width, num_classes, bias=False),
            Scale(self.logit_scale),
        )
