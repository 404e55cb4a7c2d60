"""Where a landscape is looked at, and on how many images; without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainer.core.errors import ConfigError
from trainer.core.units import Amount

LOOKS_HELP = {
    "points": "points of the plane's grid, on each axis",
    "margin": "of the plane about the three weights, as a share of their box",
    "segment_points": "points of the segment",
    "extend": "how far the segment goes beyond both weights, in distances between them",
    "rays": "rays from each of the first two weights, of each kind",
    "ray_points": "points of a ray, its start included",
    "radius": "length of a ray, in norms of the first weights, or of each filter",
    "seed": "of directions and of the choice of test images",
}

IMAGES_HELP = {
    "train": "training images of the training loss",
    "bn": "training images for BatchNorm statistics",
    "test": "test images",
}


@dataclass(frozen=True)
class Looks:
    """Where to look; `LOOKS_HELP` says what each is."""

    points: int = 21
    margin: float = 0.2
    segment_points: int = 31
    extend: float = 1.0
    rays: int = 10
    ray_points: int = 7
    radius: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"points": 2, "segment_points": 2, "rays": 1, "ray_points": 2, "seed": 0}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ConfigError(
                    f"{option(name)} must be at least {smallest}, got {getattr(self, name)}"
                )
        for name in ("margin", "extend", "radius"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (name == "radius" and value == 0):
                least_text = "above 0" if name == "radius" else "0 or more"
                raise ConfigError(f"{option(name)} must be {least_text}, got {value}")


def option(name: str) -> str:
    """Return a field's spelling on the command line."""
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True)
class Amounts:
    """How many images a point is measured on; `IMAGES_HELP` says for what."""

    train: Amount = Amount(2000, False)
    bn: Amount = Amount(2000, False)
    test: Amount = Amount(2000, False)

    def __post_init__(self) -> None:
        for name in ("train", "bn", "test"):
            amount: Amount = getattr(self, name)
            if amount.value <= 0:
                raise ConfigError(f"--{name}-images must be positive, got {amount}")
