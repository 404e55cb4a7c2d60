"""The learning rate for stochastic weight averaging."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainer.scheduler import SCHEDULERS, Clock, ConfigError, Duration, Frame, Point, Rate
from trainer.scheduler._shape import Shape, between


@SCHEDULERS.register("swa")
@dataclass(frozen=True)
class SwaSchedule:
    """The learning rate stays at its peak, then falls to `swa_lr` and stays there, so that the
    weights go on exploring while they are averaged.

    "Averaging Weights Leads to Wider Optima and Better Generalization", arXiv:1803.05407. The
    authors' code falls linearly between 50 % and 90 % of the time at which averaging begins: with
    `average.start=75%` from 37.5 % to 67.5 % of the run, the defaults here. `shape=cosine` falls
    as `torch.optim.swa_utils.SWALR` does by default; `anneal=0st` jumps at `start`, as torchcontrib
    does.

    Attributes:
        swa_lr: the final learning rate, absolute or as a share of `optim.lr`.
        start: when the fall begins, counted from the first step of the run, warm-up included.
        anneal: how long it takes; 0 is a jump.
        shape: of the fall.
    """

    swa_lr: Rate = Rate(50.0, is_share=True)
    start: Duration = Duration(37.5, "%")
    anneal: Duration = Duration(30, "%")
    shape: Shape = "linear"

    def __post_init__(self) -> None:
        if self.swa_lr.value == 0.0:
            raise ConfigError(
                "scheduler.swa_lr must be above 0: weights that stand still give nothing to average"
            )
        if self.anneal.value == 0 and self.shape != "linear":
            raise ConfigError(
                f"scheduler.shape={self.shape} has no effect on scheduler.anneal={self.anneal}, "
                "a jump"
            )

    def build(self, frame: Frame) -> Fall:
        """Return the schedule of a run; a fall that does not lie in it after warm-up is refused."""
        frame.refuse_floor("has no effect on scheduler=swa, which ends at scheduler.swa_lr")
        run, begin = frame.start, frame.start.steps(self.start)
        end = math.floor(run.exact_steps(self.start) + run.exact_steps(self.anneal) + 0.5)
        if not run.warmup <= begin < run.total:
            where = "within warm-up" if begin < run.warmup else "after the last step"
            raise ConfigError(
                f"scheduler.start={self.start} is step {begin}, {where}: the run has {run.total} "
                f"steps, {run.warmup} of them warm-up"
            )
        if end > run.total:
            raise ConfigError(
                f"scheduler.start={self.start} and scheduler.anneal={self.anneal} reach "
                f"scheduler.swa_lr at step {end}, but the run has only {run.total} steps"
            )
        return Fall(begin, end, self.swa_lr.of(frame.peak, "scheduler.swa_lr"), self.shape)


@dataclass(frozen=True)
class Fall:
    """The schedule over one run: from 1 at the step `begin` to `final` at the step `end`."""

    begin: int
    end: int
    final: float
    shape: Shape

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the factor at a step."""
        if clock.step < self.begin or clock.step >= self.end:
            return Point(1.0 if clock.step < self.begin else self.final)
        share = (clock.step - self.begin) / (self.end - self.begin)
        return Point(between(1.0, self.final, share, self.shape))
