"""Shapes that schedules share: the way from one value to another, and momentum against the rate."""

import math
from typing import Literal

from trainer.core.errors import ConfigError

Shape = Literal["cosine", "linear"]


def between(begin: float, end: float, share: float, shape: Shape) -> float:
    """Return the value after a share in [0, 1] of the way from `begin` to `end`."""
    weight = share if shape == "linear" else 0.5 * (1.0 - math.cos(math.pi * share))
    return begin * (1.0 - weight) + end * weight


def check_momenta(base: float | None, greatest: float | None) -> None:
    """Raise ConfigError unless both are null, or 0 < base_momentum <= max_momentum < 1.

    A momentum of 0 is no momentum: optimizers treat it as switched off.
    """
    if (base is None) != (greatest is None):
        raise ConfigError(
            "scheduler.base_momentum and scheduler.max_momentum go together: set both or neither"
        )
    for key, value in (("base_momentum", base), ("max_momentum", greatest)):
        if value is not None and not 0.0 < value < 1.0:
            raise ConfigError(f"scheduler.{key} must be in (0, 1), got {value}")
    if base is not None and greatest is not None and base > greatest:
        raise ConfigError(
            f"scheduler.base_momentum={base} must not be above scheduler.max_momentum={greatest}: "
            "momentum is least where the lr peaks"
        )


def against(height: float, base: float | None, greatest: float | None) -> float | None:
    """Return the momentum at a height of the learning rate: `base` at 1, `greatest` at 0.

    None where momentum is left alone.
    """
    if base is None or greatest is None:
        return None
    return greatest - (greatest - base) * height
