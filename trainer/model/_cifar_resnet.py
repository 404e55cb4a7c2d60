"""The residual networks for CIFAR-10 of section 4.2 of arXiv:1512.03385.

"Deep Residual Learning for Image Recognition". A 3x3 convolution to 16 channels, three stages of n
basic blocks at 16, 32 and 64 channels, the second and third halving the map, global average pool,
linear: 6n + 2 layers. The convolutions are drawn as the paper says, by arXiv:1502.01852.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import nn

from trainer.model import MODELS
from trainer.model._blocks import conv_bn_act, global_average_pool, he_init, zero_last_gamma

Shortcut = Literal["A", "B"]
WIDTHS = (16, 32, 64)


class ThinPad(nn.Module):
    """Shortcut A: every second pixel, and zeros for the channels that are new; no weights.

    Args:
        num_new: channels of zeros to add, after the others.
    """

    def __init__(self, num_new: int) -> None:
        super().__init__()
        self.num_new = num_new

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B, C + num_new, H / 2, W / 2), halves rounded up."""
        return F.pad(features[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.num_new))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm beside a shortcut; ReLU after the first and the sum.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; where they are more, the map is halved as well.
        shortcut: `A` as in `ThinPad`, `B` a 1x1 convolution with BatchNorm; only where the shape
            changes, elsewhere the shortcut is the identity.
    """

    def __init__(self, in_channels: int, out_channels: int, shortcut: Shortcut) -> None:
        super().__init__()
        stride = 1 if in_channels == out_channels else 2
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2 and shortcut == "A":
            self.shortcut = ThinPad(out_channels - in_channels)
        elif stride == 2:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B, out_channels, H, W), with H and W halved where the channels grow."""
        return F.relu(self.shortcut(features) + self.body(features))


@dataclass(frozen=True)
class CifarResNet:
    """What the networks have in common; each name sets its `depth`, 6n + 2 layers.

    Deviation: the zero channels of shortcut A come last.

    Attributes:
        shortcut: where the shape changes, `A` for every second pixel and zero channels (no weights,
            the paper's choice for CIFAR), `B` for a 1x1 convolution with BatchNorm.
        zero_gamma: whether the last BatchNorm of each block starts with scale 0, so that the block
            hands on its shortcut alone ("Bag of Tricks", arXiv:1812.01187).
    """

    depth: ClassVar[int]
    shortcut: Shortcut = "A"
    zero_gamma: bool = False

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) of any size -> logits (B, K)."""
        layers: list[nn.Module] = [conv_bn_act(image_shape[0], WIDTHS[0])]
        channels = WIDTHS[0]
        for width in WIDTHS:
            for _ in range((self.depth - 2) // 6):
                block = BasicBlock(channels, width, self.shortcut)
                if self.zero_gamma:
                    zero_last_gamma(block.body)
                layers.append(block)
                channels = width
        model = nn.Sequential(*layers, global_average_pool(), nn.Linear(channels, num_classes))
        he_init(model, "fan_in")
        return model


@MODELS.register("resnet20")
class ResNet20(CifarResNet):
    """0.27M parameters; the paper reports 91.25 % on CIFAR-10."""

    depth = 20


@MODELS.register("resnet32")
class ResNet32(CifarResNet):
    """0.46M parameters; the paper reports 92.49 % on CIFAR-10."""

    depth = 32


@MODELS.register("resnet44")
class ResNet44(CifarResNet):
    """0.66M parameters; the paper reports 92.83 % on CIFAR-10."""

    depth = 44


@MODELS.register("resnet56")
class ResNet56(CifarResNet):
    """0.85M parameters; the paper reports 93.03 % on CIFAR-10."""

    depth = 56


@MODELS.register("resnet110")
class ResNet110(CifarResNet):
    """1.7M parameters; the paper reports 93.39 % on CIFAR-10 (mean of 5 runs)."""

    depth = 110
