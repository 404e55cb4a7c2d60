"""The run that a schedule is made for."""

import math
from dataclasses import dataclass

from trainer.core.clock import Clock
from trainer.core.errors import ConfigError

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
