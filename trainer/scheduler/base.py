"""The scheduler seam: the learning rate as a function of the clock.

Warm-up, the floor and how often the schedule moves are applied here, once, for every scheduler.
Imports no torch: a schedule is numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from trainer.core.clock import Clock
from trainer.core.errors import ConfigError
from trainer.core.registry import Choice, Registry
from trainer.core.units import Duration
from trainer.scheduler._frame import Frame, Rate

if TYPE_CHECKING:
    import torch

    from trainer.metrics import Scores


@dataclass(frozen=True)
class SchedulerKeys:
    """Keys that every choice of `scheduler` has.

    Attributes:
        warmup: linear rise from 0 to the schedule's first value; reaches it at the last step of the
            warm-up ("Accurate, Large Minibatch SGD", arXiv:1706.02677, where it begins higher).
        every: how often the schedule moves; `1st` every optimizer step, `1ep` as loops that step it
            once an epoch do.
        min_lr: the least learning rate, absolute or as a share of `optim.lr`.
    """

    warmup: Duration = Duration(0, "ep")
    every: Duration = Duration(1, "st")
    min_lr: Rate = Rate(0.0)


@dataclass(frozen=True, slots=True)
class Point:
    """What the schedule sets at one step.

    Attributes:
        lr_scale: factor of each group's base lr.
        momentum: momentum (beta1 where the optimizer has betas), or None to leave it alone.
    """

    lr_scale: float
    momentum: float | None = None


class Scheduler(Protocol):
    """A component of this seam: a function of the clock. What is more than that has `build`."""

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the schedule at `clock.since_warmup` steps after warm-up.

        Args:
            clock: `clock.progress` runs from 0 after warm-up to 1 at the end; `clock.steps()` and
                `clock.exact_steps()` read durations.
            floor: least factor, in [0, 1]: `min_lr` over the peak.
        """


@runtime_checkable
class Builder(Protocol):
    """A component that must know the run: it gives the function of the clock."""

    def build(self, frame: Frame) -> Scheduler:
        """Return the schedule of one run, new for each optimizer group that has it for its own.

        Raises:
            ConfigError: if a key does not fit the run or has nothing to act on.
        """


@runtime_checkable
class Watcher(Protocol):
    """A component whose schedule moves by what it observes; `metric` is the score it watches."""

    @property
    def metric(self) -> str:
        """`val_loss`, `val_top1`, or `val_<name>` of a chosen metric."""


@runtime_checkable
class Observer(Protocol):
    """What a `Watcher` builds: a schedule with a state."""

    def observe(self, scores: Scores) -> None:
        """Take in the validation scores at an epoch's end, the same in every process."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state: plain numbers."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


@runtime_checkable
class MomentumCycler(Protocol):
    """A component that can move momentum."""

    @property
    def momentum_key(self) -> str | None:
        """The key by which the user asked for that; None where it is done only if it can be."""


SCHEDULERS: Registry[Scheduler] = Registry("scheduler", SchedulerKeys)


class Schedule:
    """A scheduler with the shared keys applied, in steps of one run.

    Args:
        choice: the configured scheduler.
        peak: `optim.lr`.
        total: steps of the run.
        steps_per_epoch: steps of one epoch.

    Raises:
        ConfigError: if the warm-up is longer than the run or rises to nothing, or a duration is
            shorter than a step.
    """

    def __init__(
        self,
        choice: Choice[SchedulerKeys, Scheduler],
        *,
        peak: float,
        total: int,
        steps_per_epoch: int,
    ) -> None:
        keys, component = choice.shared, choice.component
        self.warmup = keys.warmup.steps(steps_per_epoch, total)
        if keys.warmup.value and not self.warmup:
            raise ConfigError(f"scheduler.warmup={keys.warmup} is less than one step of this run")
        if self.warmup and self.warmup >= total:
            raise ConfigError(
                f"scheduler.warmup={keys.warmup} is {self.warmup} steps, but the run has only "
                f"{total}: shorten it"
            )
        if keys.every.steps(steps_per_epoch, total) < 1:
            raise ConfigError(
                f"scheduler.every={keys.every} is less than one step; the least is 1st"
            )
        self.floor = keys.min_lr.of(peak, "scheduler.min_lr")
        self.frame = Frame(
            start=Clock(self.warmup, total, steps_per_epoch, self.warmup),
            peak=peak,
            floor=self.floor,
            every=max(1.0, keys.every.exact_steps(steps_per_epoch, total)),
        )
        self.scheduler = (
            component.build(self.frame) if isinstance(component, Builder) else component
        )
        # a component's own durations are checked here, before training
        first = self(Clock(0, total, steps_per_epoch))
        if self.warmup and first.lr_scale == 0.0:
            raise ConfigError(
                f"scheduler.warmup={keys.warmup} has nothing to rise to: scheduler={choice.name} "
                "begins at scheduler.min_lr, which is 0"
            )
        self.momentum_key = (
            component.momentum_key if isinstance(component, MomentumCycler) else None
        )

    def __call__(self, clock: Clock) -> Point:
        """Return the point of a step: of the clock alone, but for what was observed."""
        moved = replace(clock, step=self.frame.moved_at(clock.step), warmup=self.warmup)
        point = self.scheduler(moved, self.floor)
        if clock.step < self.warmup:
            return Point(point.lr_scale * (clock.step + 1) / self.warmup, point.momentum)
        return point

    def observe(self, clock: Clock, scores: Scores | None) -> None:
        """Tell the schedule the scores at an epoch's end, if it listens and may move by then.

        Epochs that end during warm-up, or between two moves, are not observed.
        """
        begun = (clock.step - 1) // clock.steps_per_epoch * clock.steps_per_epoch
        has_moved = self.frame.moves(clock.step) > self.frame.moves(begun)
        if isinstance(self.scheduler, Observer) and scores is not None and has_moved:
            self.scheduler.observe(scores)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep: empty for a function of the clock."""
        return self.scheduler.state_dict() if isinstance(self.scheduler, Observer) else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        if isinstance(self.scheduler, Observer):
            self.scheduler.load_state_dict(state)


def set_hyperparameters(optimizer: torch.optim.Optimizer, points: Sequence[Point]) -> None:
    """Write a point into each group, that of its schedule; `base_lr` is its lr at the peak.

    A momentum goes where there is one already: none is given to an optimizer that runs without.
    """
    for group, point in zip(optimizer.param_groups, points, strict=True):
        group["lr"] = group["base_lr"] * point.lr_scale
        if point.momentum is not None:
            if "betas" in group:
                group["betas"] = (point.momentum, group["betas"][1])
            elif group.get("momentum"):
                group["momentum"] = point.momentum


def momentum_of(optimizer: torch.optim.Optimizer) -> float | None:
    """Return momentum or beta1 of the first group, or None where the optimizer has neither."""
    group = optimizer.param_groups[0]
    value = group["betas"][0] if "betas" in group else group.get("momentum")
    return None if value is None else float(value)


def period_steps(clock: Clock, duration: Duration, key: str) -> float:
    """Return a period in steps, with its fraction; raise ConfigError if it rounds to none."""
    if clock.steps(duration) < 1:
        raise ConfigError(f"{key}={duration} is less than one step of this run")
    return clock.exact_steps(duration)
