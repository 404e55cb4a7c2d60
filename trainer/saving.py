"""When checkpoints are written and which stay."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.convert import Written, shown
from trainer.duration import Interval
from trainer.errors import ConfigError


@dataclass(frozen=True)
class Keep(Written):
    """How many of the newest checkpoints stay: a number, or `all` (None)."""

    number: int | None = 1

    @classmethod
    def parse(cls, value: object, key: str) -> Keep:
        """Return the number written as `value`."""
        if value == "all":
            return cls(None)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return cls(value)
        raise ConfigError(f"{key} must be a whole number of at least 1, or all; got {shown(value)}")

    def __str__(self) -> str:
        return "all" if self.number is None else str(self.number)


@dataclass(frozen=True)
class CheckpointConfig:
    """When checkpoints are written and which stay.

    Attributes:
        every: time, epochs or steps between two; one is always written at the end and where a run
            is stopped.
        keep: newest ones that stay once the run is finished (at least two while it runs); the best
            always stays.
        background: whether a thread writes them while training goes on, from a copy in memory;
            one at a time, and what fails ends the run at its next step.
    """

    every: Interval = Interval(60, "s")
    keep: Keep = Keep(1)
    background: bool = False
