"""Comparing two samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def distance(
    one: NDArray[np.float64] | Sequence[float], other: NDArray[np.float64] | Sequence[float]
) -> float:
    """Kolmogorov and Smirnov's distance of two samples, as a multiple of its bound at 0.1%."""
    a, b = np.sort(one), np.sort(other)
    both = np.concatenate((a, b))
    gap = np.searchsorted(a, both, "right") / len(a) - np.searchsorted(b, both, "right") / len(b)
    bound = 1.95 * math.sqrt((len(a) + len(b)) / (len(a) * len(b)))
    return float(np.abs(gap).max()) / bound
