"""Lookahead: slow weights that the training weights return to."""

from dataclasses import dataclass, replace

from torch import nn

from trainer.average import AVERAGES, AverageKeys, Clock, Shadow, SnapshotPlan, check_in


@AVERAGES.register("lookahead")
@dataclass(frozen=True)
class Lookahead:
    """k steps of the optimizer, then one of slow weights towards where they led.

    "Lookahead Optimizer: k steps forward, 1 step back", arXiv:1907.08610. After every `every` = k
    steps: slow <- slow + alpha * (fast - slow), then fast <- slow, where fast are the weights that
    train: this average moves them. The slow weights are the averaged ones. They begin as those of
    step `start`, and are evaluated and saved beside the fast ones, which score lower just before
    the two meet: look at the averaged scores.

    The optimizer's own state (momentum, Adam's moments) stays as it is when the weights move back,
    the default of the authors' code, which can also reset or interpolate it; so momentum carries
    the speed of the fast weights across the move. Buffers of the training model stay as well, and
    those of the slow weights are their own: BatchNorm statistics are recomputed.

    Attributes:
        alpha: how far the slow weights go towards the fast ones, in (0, 1]; at 1 the
            optimizer is alone.
    """

    alpha: float = 0.5

    def __post_init__(self) -> None:
        check_in("(0, 1]", "average.alpha", self.alpha)

    def check(self, keys: AverageKeys) -> None:
        """Accept every shared key."""

    def plan(self, keys: AverageKeys, clock: Clock) -> SnapshotPlan:
        """Return the plan, whose first snapshot, at `start` itself, makes the slow weights."""
        plan = SnapshotPlan.of(keys, clock)
        return replace(plan, start=plan.start - 1, anchor=plan.start)

    def build(self, model: nn.Module, plan: SnapshotPlan) -> Shadow:
        """Return the slow weights."""
        return Shadow(model, plan, lambda count: self.alpha, pulls=True)
