"""The pre-activation residual block of "Identity Mappings in Deep Residual Networks".

arXiv:1603.05027.
"""

import torch
from torch import nn


def bn_relu(channels: int) -> nn.Sequential:
    """Return the BatchNorm and ReLU that come before a convolution, or end the network."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class PreactBlock(nn.Module):
    """BatchNorm, ReLU and a 3x3 convolution, twice, beside a shortcut.

    Where the shape changes the shortcut is a 1x1 convolution of what the first ReLU gives. There is
    no `zero_gamma` as in other residual networks: a ReLU follows the block's last BatchNorm, and
    its gradient at zero, which is zero, would keep the scale there for ever.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: of the first convolution, 2 halves the map.
        dropout: probability of zeroing a feature before the second convolution.
        raw_identity: whether a shortcut that keeps the shape hands on the input itself, as in the
            paper, or what the first ReLU gives.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        dropout: float = 0.0,
        raw_identity: bool = True,
    ) -> None:
        super().__init__()
        self.first = bn_relu(in_channels)
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            bn_relu(out_channels),
            nn.Dropout(dropout) if dropout > 0.0 else nn.Identity(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        )
        self.shortcut: nn.Module = nn.Identity()
        changes = stride != 1 or in_channels != out_channels
        if changes:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        self.from_input = raw_identity and not changes

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B, out_channels, H / stride, W / stride), rounded up."""
        active = self.first(features)
        kept: torch.Tensor = self.shortcut(features if self.from_input else active)
        changed: torch.Tensor = self.body(active)
        return kept + changed
