"""The scheduler seam: the learning rate as a pure function of the clock.

Warm-up, the floor and how often the schedule moves are applied here, once, for every scheduler.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

import torch

from trainer.convert import Written, shown
from trainer.duration import NUMBER, Clock, Duration, written
from trainer.errors import ConfigError
from trainer.registry import Choice, Registry


@dataclass(frozen=True)
class Floor(Written):
    """The least learning rate: absolute, or as a share of the peak.

    Attributes:
        value: a learning rate, or percent of `optim.lr`.
        is_share: whether `value` is percent.
    """

    value: float
    is_share: bool = False

    @classmethod
    def parse(cls, value: object, key: str) -> Floor:
        """Return the floor written as `value`: `0.001` or `1%`."""
        match = re.fullmatch(f"({NUMBER})\\s*(%?)", str(value).strip())
        if match and not isinstance(value, bool):
            return cls(float(match[1]), bool(match[2]))
        raise ConfigError(
            f"{key} must be a learning rate such as 0.001 or a share of the peak such as 1%, "
            f"got {shown(value)}"
        )

    def __str__(self) -> str:
        return f"{written(self.value)}%" if self.is_share else written(self.value)

    def of(self, peak: float) -> float:
        """Return the floor as a share of `peak`; raise ConfigError if it is above it."""
        share = self.value / 100 if self.is_share else self.value / peak
        if share > 1.0:
            raise ConfigError(f"scheduler.min_lr={self} is above the peak optim.lr={peak}")
        return share


@dataclass(frozen=True)
class SchedulerKeys:
    """Keys that every choice of `scheduler` has.

    Attributes:
        warmup: linear rise from 0 to the schedule's first value; reaches it at the last step of the
            warm-up.
        every: how often the schedule moves; `1st` every optimizer step, `1ep` as loops that step it
            once an epoch do.
        min_lr: the least learning rate, absolute or as a share of `optim.lr`.
    """

    warmup: Duration = Duration(0, "ep")
    every: Duration = Duration(1, "st")
    min_lr: Floor = Floor(0.0)


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
    """A component of this seam."""

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the schedule at `clock.step` steps after warm-up.

        Args:
            clock: `clock.progress` runs from 0 after warm-up to 1 at the end; `clock.steps()` and
                `clock.exact_steps()` read durations.
            floor: least factor, in [0, 1]: `min_lr` over the peak.
        """


SCHEDULERS: Registry[Scheduler] = Registry("scheduler", SchedulerKeys)


class Schedule:
    """A scheduler with the shared keys applied, in steps of one run.

    Args:
        choice: the configured scheduler.
        peak: `optim.lr`.
        total: steps of the run.
        windows_per_epoch: steps of one epoch.

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
        windows_per_epoch: int,
    ) -> None:
        keys = choice.shared
        self.component = choice.component
        self.floor = keys.min_lr.of(peak)
        self.warmup = keys.warmup.steps(windows_per_epoch, total)
        self.every = keys.every.steps(windows_per_epoch, total)
        if keys.warmup.value and not self.warmup:
            raise ConfigError(f"scheduler.warmup={keys.warmup} is less than one step of this run")
        if self.warmup and self.warmup >= total:
            raise ConfigError(
                f"scheduler.warmup={keys.warmup} is {self.warmup} steps, but the run has only "
                f"{total}: shorten it"
            )
        if self.every < 1:
            raise ConfigError(
                f"scheduler.every={keys.every} is less than one step; the least is 1st"
            )
        # a component's own durations are checked here, before training
        first = self(Clock(0, total, windows_per_epoch))
        if self.warmup and first.lr_scale == 0.0:
            raise ConfigError(
                f"scheduler.warmup={keys.warmup} has nothing to rise to: scheduler={choice.name} "
                "begins at scheduler.min_lr, which is 0"
            )
        self.sets_momentum = first.momentum is not None

    def __call__(self, clock: Clock) -> Point:
        """Return the point of a step: a function of the clock and nothing else."""
        moved = clock.window // self.every * self.every
        first = Clock(
            max(moved, self.warmup), clock.total, clock.windows_per_epoch, self.warmup, clock.seed
        )
        point = self.component(first, self.floor)
        if clock.window < self.warmup:
            return Point(point.lr_scale * (clock.window + 1) / self.warmup, point.momentum)
        return point


def set_hyperparameters(optimizer: torch.optim.Optimizer, point: Point) -> None:
    """Write a schedule's point into every group; `base_lr` is the group's lr at the peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * point.lr_scale
        if point.momentum is not None:
            if "betas" in group:
                group["betas"] = (point.momentum, group["betas"][1])
            else:
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
