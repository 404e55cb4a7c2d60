"""ResNet-9, the fast CIFAR-10 network of DAWNBench fame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from trainer.errors import ConfigError
from trainer.model._blocks import (
    Residual,
    conv_bn_relu,
    global_max_pool,
    require_positive,
    require_size,
)
from trainer.model.base import MODELS


class Scale(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, K) times the constant."""
        return logits * self.factor

    def extra_repr(self) -> str:
        """Return what stands in the brackets when the network is printed."""
        return str(self.factor)


@MODELS.register("resnet9")
@dataclass(frozen=True)
class ResNet9:
    """The "Residual:L1+L3" network of "How to Train Your ResNet".

    David Page, myrtle.ai, 2018; code: github.com/davidcpage/cifar10-fast.

    Five convolutions (prep, layers 1 to 3 of doubling width; layers end in 2x2 max pooling) and,
    after the first and the third layer, a residual of two more; global max pool; a linear layer
    without bias. A convolution always has BatchNorm and ReLU, and the residual's sum is not
    followed by another ReLU.

    Deviation: the last 4x4 max pooling is global, which is the same for 32x32 images and takes
    other sizes too.

    Attributes:
        width: channels of the first convolution; the last has 8 times as many.
        logit_scale: constant factor on the logits.
    """

    width: int = 64
    logit_scale: float = 0.125

    def __post_init__(self) -> None:
        require_positive("model.width", self.width)
        if not (self.logit_scale > 0.0 and math.isfinite(self.logit_scale)):
            raise ConfigError(f"model.logit_scale must be positive, got {self.logit_scale}")

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) -> logits (B, K).

        Raises:
            ConfigError: for images under 8x8, which three poolings leave nothing of.
        """
        require_size("resnet9", image_shape, 8)
        width = self.width
        return nn.Sequential(
            conv_bn_relu(image_shape[0], width),
            _layer(width, 2 * width),
            _residual(2 * width),
            _layer(2 * width, 4 * width),
            _layer(4 * width, 8 * width),
            _residual(8 * width),
            global_max_pool(),
            nn.Linear(8 * width, num_classes, bias=False),
            Scale(self.logit_scale),
        )


def _layer(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(conv_bn_relu(in_channels, out_channels), nn.MaxPool2d(2))


def _residual(channels: int) -> Residual:
    return Residual(
        nn.Sequential(conv_bn_relu(channels, channels), conv_bn_relu(channels, channels))
    )
