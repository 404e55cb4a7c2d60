"""The way from one value to another."""

import math
from typing import Literal

Shape = Literal["cosine", "linear"]


def between(begin: float, end: float, share: float, shape: Shape) -> float:
    """Return the value after a share in [0, 1] of the way from `begin` to `end`."""
    weight = share if shape == "linear" else 0.5 * (1.0 - math.cos(math.pi * share))
    return begin * (1.0 - weight) + end * weight
