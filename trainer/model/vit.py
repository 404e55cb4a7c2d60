"""A small vision transformer."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from trainer.model import MODELS, ConfigError, check_in

EPS = 1e-6  # of LayerNorm, as in the authors' code


class Attention(nn.Module):
    """Multi-head self-attention; queries, keys and values of all heads are one linear layer.

    Args:
        width: of each token, D.
        heads: which share the width evenly.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, N, D) from N tokens of each image."""
        batch, count, width = tokens.shape
        parts = self.qkv(tokens).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, N, D / heads)
        seen = F.scaled_dot_product_attention(query, key, value)
        mixed: torch.Tensor = self.out(seen.transpose(1, 2).reshape(batch, count, width))
        return mixed


class Block(nn.Module):
    """Attention, then an MLP, each behind a LayerNorm and beside a shortcut (pre-norm).

    Args:
        width: of each token, D.
        heads: of the attention.
        hidden: width of the MLP's hidden layer.
        dropout: share of activations that training leaves out.
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attend = nn.Sequential(
            nn.LayerNorm(width, EPS), Attention(width, heads), nn.Dropout(dropout)
        )
        first, second = nn.Linear(width, hidden), nn.Linear(hidden, width)
        for linear in (first, second):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.normal_(linear.bias, std=1e-6)
        self.mlp = nn.Sequential(
            *(nn.LayerNorm(width, EPS), first, nn.GELU(), nn.Dropout(dropout)),
            *(second, nn.Dropout(dropout)),
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens (B, N, D)."""
        tokens = tokens + self.attend(tokens)
        found: torch.Tensor = tokens + self.mlp(tokens)
        return found


class Embed(nn.Module):
    """Cuts images into patches, maps each to a token, adds a class token if asked, and positions.

    Args:
        channels: of the images.
        patches: how many an image has.
        patch: side of one, in pixels.
        width: of a token, D.
        has_class_token: whether a learned token stands before those of the patches.
    """

    def __init__(
        self, channels: int, patches: int, *, patch: int, width: int, has_class_token: bool
    ) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, width, patch, patch)
        nn.init.trunc_normal_(self.project.weight, std=(channels * patch * patch) ** -0.5)
        assert self.project.bias is not None
        nn.init.zeros_(self.project.bias)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width)) if has_class_token else None
        self.positions = nn.Parameter(torch.randn(1, patches + has_class_token, width) * 0.02)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return tokens (B, N, D), row by row of the image."""
        tokens: torch.Tensor = self.project(images).flatten(2).transpose(1, 2)
        if self.class_token is not None:
            first = self.class_token.expand(len(tokens), -1, -1).to(tokens.dtype)
            tokens = torch.cat([first, tokens], dim=1)
        return tokens + self.positions


class Readout(nn.Module):
    """Takes the class token, or the mean of all.

    Args:
        takes_mean: whether the mean.
    """

    def __init__(self, takes_mean: bool) -> None:
        super().__init__()
        self.takes_mean = takes_mean

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, D)."""
        return tokens.mean(1) if self.takes_mean else tokens[:, 0]


@MODELS.register("vit")
@dataclass(frozen=True)
class Vit:
    """Patches as tokens, learned positions, pre-norm blocks of attention and MLP, a linear head.

    "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", arXiv:2010.11929.
    As torchvision's VisionTransformer, initial weights included, but far smaller: the head is
    linear (no hidden layer for pre-training), and begins at zero. Deviations: images may have any
    number of channels and unequal sides; `pool=mean` takes the mean over patches.

    Attributes:
        patch: side of a patch in pixels; it must divide both sides of the images.
        width: of each token.
        depth: blocks.
        heads: of each attention; they must divide the width.
        mlp_ratio: width of each MLP's hidden layer, as a multiple of `width`.
        dropout: share of activations that training leaves out, after each dense layer but those of
            queries, keys and values, and after the positions.
        pool: what the head sees: the class `token`, or the `mean` of the patches, without that
            token.
    """

    patch: int = 4
    width: int = 64
    depth: int = 4
    heads: int = 4
    mlp_ratio: int = 2
    dropout: float = 0.0
    pool: Literal["token", "mean"] = "token"

    def __post_init__(self) -> None:
        for key in ("patch", "width", "depth", "heads", "mlp_ratio"):
            check_in("[1, inf)", f"model.{key}", getattr(self, key))
        check_in("[0, 1)", "model.dropout", self.dropout)
        if self.width % self.heads:
            raise ConfigError(
                f"model.heads={self.heads} must divide model.width={self.width}: heads share it"
            )

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network; images (B, C, H, W) of exactly the given shape -> logits (B, K).

        Raises:
            ConfigError: if the patches do not tile the images.
        """
        channels, height, width = image_shape
        if height % self.patch or width % self.patch:
            divide = [n for n in range(1, min(height, width) + 1) if height % n == width % n == 0]
            raise ConfigError(
                f"model.patch={self.patch} must divide images of {height}x{width}; "
                f"these do: {', '.join(map(str, divide))}"
            )
        patches = (height // self.patch) * (width // self.patch)
        shape = {"patch": self.patch, "width": self.width}
        embed = Embed(channels, patches, **shape, has_class_token=self.pool == "token")
        hidden = self.mlp_ratio * self.width
        blocks = [Block(self.width, self.heads, hidden, self.dropout) for _ in range(self.depth)]
        head = nn.Linear(self.width, num_classes)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        return nn.Sequential(
            *(embed, nn.Dropout(self.dropout), *blocks, nn.LayerNorm(self.width, EPS)),
            *(Readout(self.pool == "mean"), head),
        )
