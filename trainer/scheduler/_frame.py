"""A learning rate as users write it, and the run that a schedule is made for."""

import math
import re
from dataclasses import dataclass
from typing import Self

from trainer.core.clock import Clock
from trainer.core.convert import Written, shown
from trainer.core.errors import ConfigError
from trainer.core.units import NUMBER, written


@dataclass(frozen=True)
class Rate(Written):
    """A learning rate at or below the peak, absolute or in percent of `optim.lr`."""

    value: float
    is_share: bool = False

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the rate written as `value`: `0.001` or `1%`."""
        match = re.fullmatch(f"({NUMBER})\\s*(%?)", str(value).strip())
        if match and not isinstance(value, bool):
            return cls(float(match[1]), bool(match[2]))
        raise ConfigError(
            f"{key} must be a learning rate such as 0.001 or a share of the peak such as 1%, "
            f"got {shown(value)}"
        )

    def __str__(self) -> str:
        return f"{written(self.value)}%" if self.is_share else written(self.value)

    def of(self, peak: float, key: str) -> float:
        """Return the rate as a share of `peak`; raise ConfigError if it is above it."""
        share = self.value / 100 if self.is_share else self.value / peak
        if share > 1.0:
            raise ConfigError(f"{key}={self} is above the peak optim.lr={peak}")
        return share


# a period that is a share of the run may fall short of a whole step by a rounding error
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Frame:
    """The run that a schedule is made for, and the keys that all schedulers share, in numbers.

    Attributes:
        start: clock of the first step after warm-up; reads durations.
        peak: `optim.lr`.
        floor: `min_lr` over the peak.
        every: steps from one move to the next, with their fraction; at least 1.
    """

    start: Clock
    peak: float
    floor: float
    every: float

    @property
    def num_moves(self) -> int:
        """Moves over the run, the last of them after its last step where it falls there."""
        return math.ceil(self.start.span / self.every - ROUNDING)

    def moves(self, step: int) -> int:
        """Return how often the schedule has moved before a step: what loops that call
        `scheduler.step()` once per `every` have counted by then."""
        return math.floor(max(step - self.start.warmup, 0) / self.every + ROUNDING)

    def moved_at(self, step: int) -> int:
        """Return the step at which the schedule moved last before or at a step."""
        return self.start.warmup + math.ceil(self.moves(step) * self.every - ROUNDING)

    def refuse_floor(self, reason: str) -> None:
        """Raise ConfigError if a `min_lr` was set that has nothing to act on."""
        if self.floor > 0.0:
            raise ConfigError(f"scheduler.min_lr {reason}: leave it at 0")
