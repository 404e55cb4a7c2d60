"""LeNet-5."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from trainer.model import MODELS

SIDE = 32  # pixels; what the paper feeds the network, digits of 28x28 in a frame of 2


class PadToSide(nn.Module):
    """Puts images under 32x32 in the middle of a frame of zeros, the normalised mean."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return images (B, C, max(H, 32), max(W, 32))."""
        rows, columns = (max(SIDE - side, 0) for side in images.shape[-2:])
        top, left = rows // 2, columns // 2
        return F.pad(images, (left, columns - left, top, rows - top))


@MODELS.register("lenet5")
@dataclass(frozen=True)
class LeNet5:
    """LeNet-5, without BatchNorm.

    "Gradient-Based Learning Applied to Document Recognition", LeCun et al., Proc. IEEE 86 (1998).
    Deviations, the first three as everywhere today: layer C3 sees all maps of S2 instead of the
    subsets of table I; subsampling is plain averaging, without its trainable gain and bias; the
    output is linear, not a distance to fixed codes; tanh is not scaled by 1.7159. Images under
    32x32 are framed with zeros (28x28 as in the paper), and for larger ones the last maps are
    averaged to 5x5, so the weights are as many for any size: 61,706 for one channel, ten classes.
    """

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) of any size -> logits (B, K)."""
        channels, height, width = image_shape
        layers: list[nn.Module] = [PadToSide()]
        layers += [nn.Conv2d(channels, 6, 5), nn.Tanh(), nn.AvgPool2d(2)]  # C1, S2
        layers += [nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)]  # C3, S4
        if max(height, width) > SIDE:
            layers.append(nn.AdaptiveAvgPool2d(5))
        # C5 is a 5x5 convolution of a 5x5 map, which is a linear layer.
        layers += [nn.Flatten(), nn.Linear(16 * 5 * 5, 120), nn.Tanh()]
        layers += [nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, num_classes)]  # F6, output
        return nn.Sequential(*layers)
