"""The schedules of torch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import lr_scheduler

from trainer.core.convert import check_known, shown
from trainer.core.errors import unknown
from trainer.scheduler import SCHEDULERS, Clock, ConfigError, Frame, Point
from trainer.scheduler._frame import ROUNDING

# Classes whose arguments are no plain values, and what does their work here.
FUNCTION = "it needs a function: use scheduler=piecewise_linear, or write a component (README)"
SCHEDULER = "it needs schedulers: use scheduler.warmup, which goes before any, or piecewise_linear"
INSTEAD = {
    "LambdaLR": FUNCTION,
    "MultiplicativeLR": FUNCTION,
    "SequentialLR": SCHEDULER,
    "ChainedScheduler": SCHEDULER,
    "ReduceLROnPlateau": "it needs validation scores: use scheduler=plateau",
}
CLASSES = tuple(
    name for name in lr_scheduler.__all__ if name != "LRScheduler" and name not in INSTEAD
)
# Arguments that are not the user's: the optimizer, where to go on, the peak (optim.lr), a function.
OURS = ("optimizer", "last_epoch", "max_lr", "scale_fn")
MOMENTUM = ("cycle_momentum", "base_momentum", "max_momentum")


@SCHEDULERS.register("torch")
@dataclass(frozen=True)
class Torch:
    """Any class of `torch.optim.lr_scheduler` whose arguments are plain values.

    Before training it is stepped through the whole run on an optimizer of its own, once per
    `scheduler.every`, and its learning rates (and momenta, where it moves them) are written into a
    table. `max_lr`, where a class has it, is `optim.lr`. A `min_lr` cuts the table off below.

    Attributes:
        lr_scheduler: name of the class.
        args: its arguments by name, learning rates absolute, counts in units of `scheduler.every`;
            null for the class's own defaults.
    """

    lr_scheduler: str = "LinearLR"
    args: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.lr_scheduler in INSTEAD:
            raise ConfigError(
                f"scheduler.lr_scheduler={self.lr_scheduler} cannot be written in a configuration: "
                f"{INSTEAD[self.lr_scheduler]}"
            )
        if self.lr_scheduler not in CLASSES:
            raise unknown("scheduler.lr_scheduler", self.lr_scheduler, CLASSES)
        known = [name for name in self.parameters() if name not in OURS]
        for name in self.args or ():
            if name == "max_lr" and name in self.parameters():
                raise ConfigError(
                    "scheduler.args.max_lr is optim.lr: leave it out and set optim.lr"
                )
            check_known([name], known, "scheduler.args")

    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Return the class's parameters by name."""
        return inspect.signature(getattr(lr_scheduler, self.lr_scheduler)).parameters

    @property
    def momentum_key(self) -> str | None:
        """The key that asks for a moving momentum."""
        args = self.args or {}
        asks = args.get("cycle_momentum", any(name in args for name in MOMENTUM))
        return "scheduler.args" if asks else None

    def build(self, frame: Frame) -> ScheduleTable:
        """Return the table of one run.

        Raises:
            ConfigError: if the class refuses its arguments, or leaves the range of a schedule.
        """
        given = {**(self.args or {})}
        if "max_lr" in self.parameters():
            given["max_lr"] = frame.peak
        # foreign code on a user's values: what it raises is its word on them
        try:
            points = self.render(frame, given)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ConfigError(
                f"scheduler.args={shown(dict(self.args or {}))}: torch's {self.lr_scheduler} "
                f"refuses that: {error}"
            ) from error
        for i, point in enumerate(points[: frame.num_moves]):
            if not -ROUNDING <= point.lr_scale <= 1.0 + ROUNDING:
                raise ConfigError(
                    f"scheduler.lr_scheduler={self.lr_scheduler} sets the lr to "
                    f"{point.lr_scale * frame.peak:g} after {i} moves; a schedule stays between 0 "
                    f"and its peak, optim.lr={frame.peak:g}"
                )
        return ScheduleTable(frame, points)

    def render(self, frame: Frame, given: Mapping[str, Any]) -> tuple[Point, ...]:
        """Return the points of every move of a run and of the one after its last step."""
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=frame.peak, momentum=0.9)
        scheduler = getattr(lr_scheduler, self.lr_scheduler)(optimizer, **given)
        default = self.parameters().get("cycle_momentum")
        moves_momentum = default is not None and given.get("cycle_momentum", default.default)
        optimizer.step()  # torch warns if a scheduler is stepped first
        group, points = optimizer.param_groups[0], []
        for move in range(frame.num_moves + 1):
            if move:
                scheduler.step()
            momentum = float(group["momentum"]) if moves_momentum else None
            if momentum is not None and not 0.0 < momentum < 1.0:
                raise ValueError(f"momentum {momentum:g} after {move} moves is not in (0, 1)")
            lr_scale = float(group["lr"]) / frame.peak
            if not math.isfinite(lr_scale):
                raise ValueError(f"the lr after {move} moves is {group['lr']}")
            points.append(Point(lr_scale, momentum))
        return tuple(points)


@dataclass(frozen=True)
class ScheduleTable:
    """A schedule as its values: the points at the first step after warm-up and after each move."""

    frame: Frame
    points: tuple[Point, ...]

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the point after the moves so far, not below the floor."""
        point = self.points[self.frame.moves(clock.step)]
        return Point(max(point.lr_scale, floor), point.momentum)
