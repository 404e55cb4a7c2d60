"""The time of a run, counted in optimizer steps."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from trainer.core import rng
from trainer.core.units import Duration


@dataclass(frozen=True, slots=True)
class Clock:
    """The only time of a run: planned optimizer steps ("steps"), of which `total` are taken.

    Attributes:
        step: steps done, 0 at the first and `total` after the last.
        total: steps of the whole run.
        steps_per_epoch: steps of one pass over the training images.
        warmup: steps of warm-up at the start.
        seed: seed of the run, from which every random stream of this step is made.
    """

    step: int
    total: int
    steps_per_epoch: int
    warmup: int = 0
    seed: int = 0

    @property
    def epoch(self) -> int:
        """Full passes over the training images before this step."""
        return self.step // self.steps_per_epoch

    @property
    def since_warmup(self) -> int:
        """Steps since the end of warm-up; 0 during it."""
        return max(self.step - self.warmup, 0)

    @property
    def span(self) -> int:
        """Steps from the end of warm-up to the end of the run."""
        return self.total - self.warmup

    @property
    def progress(self) -> float:
        """Share of the run after warm-up: in [0, 1) at the steps taken, 1 after the last."""
        return self.since_warmup / self.span if self.span else 1.0

    def steps(self, duration: Duration) -> int:
        """Return the number of steps that a duration means in this run."""
        return duration.steps(self.steps_per_epoch, self.total)

    def exact_steps(self, duration: Duration) -> float:
        """Return the same with its fraction: a rounded period would drift over the run."""
        return duration.exact_steps(self.steps_per_epoch, self.total)

    def at(self, step: int) -> Self:
        """Return the clock of another step of the same run."""
        return replace(self, step=step)

    def stream(self, *names: str | int) -> np.random.Generator:
        """Return this step's random stream of that name: the same for any process and worker."""
        return rng.stream(self.seed, *names, self.step)
