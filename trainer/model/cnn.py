"""A small convolutional network for small images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from trainer.model._blocks import conv_bn_relu, global_max_pool, require_positive
from trainer.model.base import MODELS

SMALLEST_MAP = 8  # a map whose shorter side is below this is not halved again
# Channels double after a pooling, up to 8 * width: large images need not make it a large network.
MOST_DOUBLINGS = 3


@MODELS.register("cnn")
@dataclass(frozen=True)
class Cnn:
    """Pairs of 3x3 convolutions between max poolings, one more, global max pool, linear.

    Our own plain design after VGG ("Very Deep Convolutional Networks for Large-Scale Image
    Recognition", arXiv:1409.1556) with BatchNorm (arXiv:1502.03167). The number of 2x2 poolings
    follows the image: the maps are halved while their shorter side is 8 or more, so 8x8 images are
    pooled once, 16x16 and 28x28 twice, 32x32 three times.

    Attributes:
        width: channels of the first convolutions; doubled after each pooling, up to 8 times this.
    """

    width: int = 32

    def __post_init__(self) -> None:
        require_positive("model.width", self.width)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) of any size -> logits (B, K)."""
        channels, height, width = image_shape
        layers: list[nn.Module] = []
        side, stage = min(height, width), 0
        while side >= SMALLEST_MAP:
            out = self.width * 2 ** min(stage, MOST_DOUBLINGS)
            layers += [conv_bn_relu(channels, out), conv_bn_relu(out, out), nn.MaxPool2d(2)]
            channels, side, stage = out, side // 2, stage + 1
        out = self.width * 2 ** min(stage, MOST_DOUBLINGS)
        layers += [conv_bn_relu(channels, out), global_max_pool(), nn.Linear(out, num_classes)]
        return nn.Sequential(*layers)
