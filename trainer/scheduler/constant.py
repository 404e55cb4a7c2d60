"""A learning rate that does not move."""

from dataclasses import dataclass
from typing import Self

from trainer.scheduler import SCHEDULERS, Clock, ConfigError, Frame, Point


@SCHEDULERS.register("constant")
@dataclass(frozen=True)
class Constant:
    """The base learning rate at every step after warm-up."""

    def build(self, frame: Frame) -> Self:
        """Return the schedule itself; keys that would move it are refused."""
        frame.refuse_floor("has no effect on scheduler=constant")
        if frame.every > 1.0:
            raise ConfigError(
                "scheduler.every has no effect on scheduler=constant: leave it at 1st"
            )
        return self

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the factor 1."""
        return Point(1.0)
