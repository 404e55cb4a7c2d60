"""Cosine annealing with warm restarts."""

import math
from dataclasses import dataclass

from trainer.scheduler import SCHEDULERS, Clock, ConfigError, Duration, Point, period_steps
from trainer.scheduler._frame import ROUNDING


@SCHEDULERS.register("cosine_restarts")
@dataclass(frozen=True)
class CosineRestarts:
    """Half-cosine decay from the peak to `min_lr`, over and over, each time from the peak again.

    "SGDR: Stochastic Gradient Descent with Warm Restarts", arXiv:1608.03983, whose T_0 and T_mult
    these are; the values are those of `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`, whose
    T_mult is whole. A cycle that ends with the run ends at `min_lr`: nothing restarts after that.

    Attributes:
        t_0: length of the first cycle.
        t_mult: each cycle is so many times as long as the one before; at least 1.
    """

    t_0: Duration = Duration(50, "%")
    t_mult: float = 1

    def __post_init__(self) -> None:
        if self.t_mult < 1:
            raise ConfigError(f"scheduler.t_mult must be at least 1, got {self.t_mult}")

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return floor + (1 - floor) * (1 + cos(pi * T_cur / T_i)) / 2."""
        first = period_steps(clock, self.t_0, "scheduler.t_0")
        share = self.share_of_cycle(
            clock.since_warmup, first, is_over=clock.since_warmup >= clock.span
        )
        return Point(floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * share)))

    def share_of_cycle(self, step: int, first: float, *, is_over: bool) -> float:
        """Return T_cur / T_i, in [0, 1): 1 only where a cycle ends with the run.

        Args:
            step: steps since warm-up.
            first: steps of the first cycle.
            is_over: whether the last step has been taken.
        """
        if self.t_mult == 1:
            cycles = step / first
            whole = math.floor(cycles + ROUNDING)
            share = max(cycles - whole, 0.0)
        else:
            begin, length = 0.0, first
            while step - begin >= length * (1.0 - ROUNDING):
                begin, length = begin + length, length * self.t_mult
            whole, share = int(begin > 0), max(step - begin, 0.0) / length
        return 1.0 if is_over and whole and share < ROUNDING else share
