"""ResNet-50 with the tweaks of its architecture from "Bag of Tricks"."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from trainer.model import MODELS, check_in
from trainer.model._blocks import (
    conv_bn_act,
    global_average_pool,
    zero_last_gamma,
)

NUM_BLOCKS = (3, 4, 6, 3)
EXPANSION = 4  # channels of a block's output over those of its 3x3 convolution

Variant = Literal["A", "B", "C", "D"]
Stem = Literal["imagenet", "cifar"]


@MODELS.register("resnet50")
@dataclass(frozen=True)
class ResNet50:
    """ResNet-50 of arXiv:1512.03385 and its variants B, C and D, each with the ones before it.

    "Bag of Tricks for Image Classification with Convolutional Neural Networks", arXiv:1812.01187,
    section 4; top-1 on ImageNet, table 5: 76.21, 76.66, 76.87 and 77.16 %. Weights are drawn as
    there, section 2.1: uniform by "Xavier" (its fans count the kernel's area, as in the authors'
    code), biases zero. Deviations: images and maps may have any size (where a map is odd, the
    pooling of D averages what there is); the stem for small images is not in the paper.

    Attributes:
        variant: `A`, the original, halves a map in a block's first 1x1 convolution; `B` in its 3x3
            convolution; `C` has three 3x3 convolutions in place of the stem's 7x7 one; `D` halves
            the shortcut by 2x2 average pooling before a 1x1 convolution of stride 1.
        stem: `imagenet` starts with stride 2 and 2x max pooling, so that the last maps have 1/32 of
            the image's side; `cifar` starts with stride 1 and no pooling (1/8), its first
            convolution being 3x3 in A and B.
        width: channels after the stem; the last maps have 32 times as many.
        zero_gamma: whether the last BatchNorm of each block starts with scale 0 (section 3.1), so
            that the block hands on its shortcut alone.
    """

    variant: Variant = "A"
    stem: Stem = "imagenet"
    width: int = 64
    zero_gamma: bool = False

    def __post_init__(self) -> None:
        check_in("[1, inf)", "model.width", self.width)

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) of any size -> logits (B, K)."""
        layers = self._stem(image_shape[0])
        channels = self.width
        for stage, num_blocks in enumerate(NUM_BLOCKS):
            inner = self.width * 2**stage
            for i in range(num_blocks):
                stride = 2 if i == 0 and stage > 0 else 1
                block = Bottleneck(channels, inner, stride, self.variant)
                if self.zero_gamma:
                    zero_last_gamma(block.body)
                layers.append(block)
                channels = EXPANSION * inner
        model = nn.Sequential(*layers, global_average_pool(), nn.Linear(channels, num_classes))
        xavier_init(model)
        return model

    def _stem(self, channels: int) -> list[nn.Module]:
        stride = 2 if self.stem == "imagenet" else 1
        if self.variant in ("C", "D"):
            half = (self.width + 1) // 2
            layers: list[nn.Module] = [
                conv_bn_act(channels, half, stride=stride),
                conv_bn_act(half, half),
                conv_bn_act(half, self.width),
            ]
        else:
            kernel = 7 if self.stem == "imagenet" else 3
            layers = [conv_bn_act(channels, self.width, kernel=kernel, stride=stride)]
        if self.stem == "imagenet":
            layers.append(nn.MaxPool2d(3, 2, padding=1))
        return layers


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with BatchNorm beside a shortcut; ReLU between and at the end.

    Args:
        in_channels: channels of the input.
        inner: channels of the 3x3 convolution; the output has four times as many.
        stride: 2 halves the map.
        variant: where it is halved, as in `ResNet50`.
    """

    def __init__(self, in_channels: int, inner: int, stride: int, variant: Variant) -> None:
        super().__init__()
        out_channels = EXPANSION * inner
        first, second = (stride, 1) if variant == "A" else (1, stride)
        self.body = nn.Sequential(
            conv_bn_act(in_channels, inner, kernel=1, stride=first),
            conv_bn_act(inner, inner, stride=second),
            nn.Conv2d(inner, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        shortcut: list[nn.Module] = []
        if stride == 2 and variant == "D":  # rounded up, as a convolution with stride 2 does
            shortcut.append(nn.AvgPool2d(2, ceil_mode=True))
            stride = 1
        if in_channels != out_channels:
            shortcut.append(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))
            shortcut.append(nn.BatchNorm2d(out_channels))
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B, 4 * inner, H / stride, W / stride), rounded up."""
        return F.relu(self.shortcut(features) + self.body(features))


def xavier_init(model: nn.Module) -> None:
    """Draw convolutions and linear layers in place from U(-a, a), a^2 = 6 / (fan_in + fan_out).

    "Understanding the difficulty of training deep feedforward neural networks", Glorot and Bengio,
    AISTATS 2010. Biases become zero.
    """
    for part in model.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
