"""Numbers about stored images: per-channel mean and deviation, and the fingerprint."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.data.base import Images

ROWS = 4096  # images looked at in one go: bounds the memory that counting needs

Channels = tuple[float, ...]


def mean_std(images: torch.Tensor) -> tuple[Channels, Channels]:
    """Return mean and standard deviation of each channel of images (N, C, H, W), uint8, in [0, 1],
    exact up to the last rounding.

    Counted, not summed in floating point: the result depends on no order, thread or block size.

    Returns:
        (C,) means and (C,) population standard deviations; a constant channel has deviation 1.
    """
    means, stds = [], []
    pixels = images.numpy()
    histograms = np.zeros((pixels.shape[1], 256), dtype=np.int64)  # of values, by channel
    for start in range(0, len(pixels), ROWS):
        for channel, row in enumerate(histograms):
            row += np.bincount(pixels[start : start + ROWS, channel].ravel(), minlength=256)
    for counts in histograms.tolist():
        total = sum(counts)
        first = sum(value * count for value, count in enumerate(counts))
        second = sum(value * value * count for value, count in enumerate(counts))
        # whole numbers up to the division
        variance = (second * total - first * first) / (total * total)
        means.append(first / total / 255)
        stds.append(math.sqrt(variance) / 255 or 1.0)
    return tuple(means), tuple(stds)


def fingerprint(splits: Iterable[Images]) -> str:
    """Return the SHA-256 of the splits' shapes, pixels and labels, in hexadecimal."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(str(tuple(split.images.shape)).encode())
        digest.update(split.images.contiguous().numpy().data)
        digest.update(split.labels.numpy().astype("<i8").data)
    return digest.hexdigest()


def repeats(images: NDArray[np.uint8], sizes: Mapping[str, int]) -> dict[str, int]:
    """Return how many images (N, C, H, W), split by split and `train` first, are there more than
    once.

    Returns:
        `train_copies`: training images that equal one before them; `<split>_in_train`: images of
        another split that equal a training image.
    """
    rows = (hashlib.blake2b(image.data, digest_size=16).digest() for image in images)
    seen = set(islice(rows, sizes["train"]))
    found = {"train_copies": sizes["train"] - len(seen)}
    for split, size in list(sizes.items())[1:]:
        found[f"{split}_in_train"] = sum(row in seen for row in islice(rows, size))
    return found
