"""Straight lines between knots."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass

from trainer.scheduler import SCHEDULERS, Clock, ConfigError, Duration, Frame, Point
from trainer.scheduler._shape import between


@SCHEDULERS.register("piecewise_linear")
@dataclass(frozen=True)
class PiecewiseLinear:
    """The learning rate follows straight lines between knots; before the first and after the last
    it stays at theirs.

    The schedule of David Page's "How to Train Your ResNet": there `PiecewiseLinear([0, 5, 24],
    [0, 0.4, 0])`, here `optim.lr=0.4` and knots `[[0ep,0],[5ep,1],[24ep,0]]`.

    Attributes:
        knots: moments, counted from the first step of the run (warm-up included), each with its
            factor of `optim.lr`; the greatest factor is 1. Where two knots share a moment, the lr
            jumps.
    """

    knots: tuple[tuple[Duration, float], ...] = (
        (Duration(0, "%"), 0.0),
        (Duration(20, "%"), 1.0),
        (Duration(100, "%"), 0.0),
    )

    def __post_init__(self) -> None:
        factors = [factor for _, factor in self.knots]
        if len(factors) < 2:
            raise ConfigError(
                "scheduler.knots must be at least two knots, such as [[0ep,0],[5ep,1],[24ep,0]]"
            )
        if min(factors) < 0.0 or max(factors) != 1.0:
            raise ConfigError(
                "scheduler.knots: factors are shares of optim.lr, from 0 to 1, and the greatest "
                f"is 1, since optim.lr is the peak; got {', '.join(f'{f:g}' for f in factors)}"
            )

    def build(self, frame: Frame) -> Lines:
        """Return the lines over a run; a knot that would not be seen is refused."""
        moments = [moment for moment, _ in self.knots]
        steps = [frame.start.steps(moment) for moment in moments]
        for i, (before, after) in enumerate(itertools.pairwise(steps)):
            if before > after:
                raise ConfigError(
                    f"scheduler.knots[{i + 1}]={moments[i + 1]} comes before {moments[i]}: "
                    "write knots in the order of time"
                )
        if steps[-1] > frame.start.total:
            raise ConfigError(
                f"scheduler.knots[{len(steps) - 1}]={moments[-1]} is step {steps[-1]}, after the "
                f"run's end at step {frame.start.total}"
            )
        if frame.start.warmup and steps[1] <= frame.start.warmup:
            raise ConfigError(
                f"scheduler.knots[1]={moments[1]} is step {steps[1]}, within the warm-up of "
                f"{frame.start.warmup} steps: leave scheduler.warmup out, or let knots begin there"
            )
        return Lines(tuple(steps), tuple(factor for _, factor in self.knots))


@dataclass(frozen=True)
class Lines:
    """The lines over one run, between knots at steps that never fall."""

    steps: tuple[int, ...]
    factors: tuple[float, ...]

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the factor at a step, not below the floor."""
        i = bisect_right(self.steps, clock.step)  # knots at or before this step
        if i == 0 or i == len(self.steps):
            return Point(max(self.factors[max(i - 1, 0)], floor))
        share = (clock.step - self.steps[i - 1]) / (self.steps[i] - self.steps[i - 1])
        return Point(max(between(self.factors[i - 1], self.factors[i], share, "linear"), floor))
