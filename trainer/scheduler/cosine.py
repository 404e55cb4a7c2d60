"""Cosine annealing without restarts."""

import math
from dataclasses import dataclass

from trainer.scheduler import SCHEDULERS, Clock, Point


@SCHEDULERS.register("cosine")
@dataclass(frozen=True)
class Cosine:
    """Half-cosine decay of the learning rate from its peak to `min_lr` at the end of the run.

    "SGDR: Stochastic Gradient Descent with Warm Restarts", arXiv:1608.03983, without the restarts.
    """

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return floor + (1 - floor) * (1 + cos(pi * progress)) / 2."""
        return Point(floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * clock.progress)))
