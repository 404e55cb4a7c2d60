"""Moves of whole batches that several augmentations share."""

from typing import Literal

import torch
import torch.nn.functional as F

Border = Literal["zeros", "reflect"]


def pad(images: torch.Tensor, size: int, border: Border) -> torch.Tensor:
    """Return images (B, C, H, W) with `size` pixels added on every side, any dtype."""
    if border == "zeros":
        return F.pad(images, (size,) * 4)
    height, width = images.shape[-2:]
    rows = _reflected(height, size).to(images.device)
    columns = _reflected(width, size).to(images.device)
    # by index, since torch's reflection pad knows no uint8
    return images[:, :, rows][:, :, :, columns]


def crop(
    images: torch.Tensor, top: torch.Tensor, left: torch.Tensor, height: int, width: int
) -> torch.Tensor:
    """Return one window (height, width) of each image, its corner at `top`, `left` (B,)."""
    # (B, C, tops, lefts, height, width), nothing copied
    views = images.unfold(2, height, 1).unfold(3, width, 1)
    return views[torch.arange(len(images), device=images.device), :, top, left]


def flip(images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Return images with the `chosen` (B,) bool ones mirrored left to right."""
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(-1), images)


def _reflected(length: int, size: int) -> torch.Tensor:
    """Return which place of a line each of its padded places shows, for padding of any size."""
    period = max(2 * (length - 1), 1)
    places = torch.arange(-size, length + size) % period
    return torch.where(places >= length, period - places, places)
