"""Boxes in images: drawn at random, and as masks."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.augment._draws import to_device
from trainer.core.errors import ConfigError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Range = tuple[float, float]


@dataclass(frozen=True)
class Boxes:
    """A box for each image: rows [top, bottom) and columns [left, right), (B,) each."""

    top: Ints
    bottom: Ints
    left: Ints
    right: Ints

    def mask(self, images: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, H, W) which pixels lie in the boxes."""
        height, width = images.shape[-2:]
        sides = np.stack((self.top, self.bottom, self.left, self.right))[..., None]
        top, bottom, left, right = to_device(sides, images)  # (B, 1) each; one copy for all
        row, column = (torch.arange(n, device=images.device) for n in (height, width))
        rows = (row >= top).logical_and_(row < bottom)
        columns = (column >= left).logical_and_(column < right)
        inside: torch.Tensor = rows[:, None, :, None] & columns[:, None, None, :]
        return inside


def first_that_fits(fits: Bools, *candidates: Ints) -> tuple[Bools, list[Ints]]:
    """Return which images (B,) have a candidate that fits (B, tries), and the numbers (B,) of the
    first."""
    first = fits.argmax(1)[:, None]
    return np.any(fits, axis=1, keepdims=True)[:, 0], [
        np.take_along_axis(c, first, 1)[:, 0] for c in candidates
    ]


def sides_of(area: Floats, ratio: Floats) -> tuple[Ints, Ints]:
    """Return the two sides of boxes, in whole pixels: the longer one for a ratio above 1 first."""
    long, short = np.sqrt(area * ratio), np.sqrt(area / ratio)
    return np.rint(long).astype(np.int64), np.rint(short).astype(np.int64)


def between(uniform: Floats, bounds: Range) -> Floats:
    """Return numbers in [0, 1) stretched to `bounds`."""
    return bounds[0] + (bounds[1] - bounds[0]) * uniform


def place(uniform: Floats, room: Ints | int) -> Ints:
    """Return whole numbers from 0 to `room`, both included, from numbers in [0, 1)."""
    return np.floor(uniform * (room + 1)).astype(np.int64)


def check_range(key: str, bounds: Range, *, most: float = float("inf")) -> None:
    """Raise ConfigError unless 0 < bounds[0] <= bounds[1] <= most."""
    if not 0.0 < bounds[0] <= bounds[1] <= most:
        upper = "" if most == float("inf") else f" up to {most:g}"
        raise ConfigError(
            f"{key} must be two positive numbers{upper}, the first not above the second, "
            f"got {list(bounds)}"
        )
