"""A learning rate that does not move."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.duration import Clock
from trainer.errors import ConfigError
from trainer.scheduler.base import SCHEDULERS, Point


@SCHEDULERS.register("constant")
@dataclass(frozen=True)
class Constant:
    """The base learning rate at every step after warm-up."""

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the factor 1; a floor has nothing to act on and is refused."""
        if floor > 0.0:
            raise ConfigError("scheduler.min_lr has no effect on scheduler=constant: leave it at 0")
        return Point(1.0)
