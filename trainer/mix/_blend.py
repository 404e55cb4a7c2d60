"""The two ways of making one example of two: a blend of all pixels, and a patch of the other."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from trainer.data import Batch
from trainer.mix._pairs import Pairs

Floats = NDArray[np.float64]


def blend(batch: Batch, pairs: Pairs, alpha: float) -> Batch:
    """Return lambda a + (1 - lambda) b of images and targets, lambda from Beta(alpha, alpha).

    With alpha 0 the batch is returned as it is.
    """
    if alpha == 0.0:
        return batch
    other, rest = pairs.other(), 1.0 - draw_lambda(pairs, alpha)
    images = torch.lerp(batch.images, other.images, like(batch.images, rest).view(-1, 1, 1, 1))
    return replace(batch, images=images, targets=mix_targets(batch, other, rest))


def paste(batch: Batch, pairs: Pairs, alpha: float) -> Batch:
    """Return the images with a box of their partner's pixels in place of their own.

    The box covers 1 - lambda of the image, lambda from Beta(alpha, alpha), but what lies outside
    the image is cut off; targets are weighted by the areas that are really there. With alpha 0 the
    batch is returned as it is.
    """
    if alpha == 0.0:
        return batch
    height, width = batch.images.shape[-2:]
    other, lam = pairs.other(), draw_lambda(pairs, alpha)
    centres = pairs.each("centre", lambda g, n: g.random((n, 2)))
    top, bottom = side(lam, centres[:, 0], height)
    left, right = side(lam, centres[:, 1], width)
    pasted = (bottom - top) * (right - left) / (height * width)
    device = batch.images.device
    rows = inside(top, bottom, height).to(device, non_blocking=True)
    columns = inside(left, right, width).to(device, non_blocking=True)
    box = rows.view(-1, 1, height, 1) & columns.view(-1, 1, 1, width)
    images = torch.where(box, other.images, batch.images)
    return replace(batch, images=images, targets=mix_targets(batch, other, pasted))


def draw_lambda(pairs: Pairs, alpha: float) -> Floats:
    """Return lambda (n,), in [0, 1]."""
    return pairs.each("lambda", lambda g, n: g.beta(alpha, alpha, n))


def side(lam: Floats, centre: Floats, length: int) -> tuple[Floats, Floats]:
    """Return first and one past the last pixel (n,) of boxes along one axis, where shares `lam`
    (n,) of the image stay, about centres (n,) in [0, 1).

    The centre is a whole pixel, and half of the box, sqrt(1 - lambda) of the axis in all, is
    rounded down, as in the authors' code.
    """
    middle = np.floor(centre * length)
    half = np.floor(0.5 * np.sqrt(1.0 - lam) * length)
    return np.maximum(middle - half, 0), np.minimum(middle + half, length)


def inside(first: Floats, end: Floats, length: int) -> torch.Tensor:
    """Return (n, length) which pixels of an axis lie in [first, end)."""
    places = np.arange(length)
    return torch.from_numpy((places >= first[:, None]) & (places < end[:, None]))


def mix_targets(batch: Batch, other: Batch, share: Floats) -> torch.Tensor:
    """Return targets (B, K) that have `share` (n,) of the partner's and the rest of their own."""
    own, others = soft_targets(batch), soft_targets(other)
    return torch.lerp(own, others, like(own, share).view(-1, 1))


def soft_targets(batch: Batch) -> torch.Tensor:
    """Return the targets (B, K) of the batch: one-hot unless they are soft already."""
    if batch.targets is not None:
        return batch.targets
    return F.one_hot(batch.labels, batch.num_classes).to(batch.images.dtype)


def like(tensor: torch.Tensor, numbers: Floats) -> torch.Tensor:
    """Return numbers as a tensor of another's type and device."""
    # from memory that is not pinned the copy is staged at once, and nobody has to wait for it
    return torch.from_numpy(numbers).to(tensor.dtype).to(tensor.device, non_blocking=True)
