"""Decay when validation no longer improves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from trainer.evaluation.watched import check_named, rises, value_of
from trainer.scheduler import (
    SCHEDULERS,
    Clock,
    ConfigError,
    Duration,
    Frame,
    Point,
    check_in,
)
from trainer.scheduler._frame import ROUNDING

if TYPE_CHECKING:
    from trainer.scheduler import Scores


@SCHEDULERS.register("plateau")
@dataclass(frozen=True)
class Plateau:
    """The learning rate is multiplied by `factor` when a validation score has not improved for
    longer than `patience`.

    It moves as `torch.optim.lr_scheduler.ReduceLROnPlateau` does, without that class's `eps`; its
    `mode` follows from `metric`. Scores are those of all processes together, at the end of each
    epoch, or of every n-th with `scheduler.every=<n>ep`; epochs that end during warm-up do not
    count.

    Attributes:
        metric: `val_loss`, which falls while training helps, `val_top1`, which rises, or
            `val_<name>` of one of `metrics`, whose class says which.
        factor: of each drop, in (0, 1].
        patience: how long without improvement is borne; the next observation after it drops.
        threshold: least improvement that counts.
        threshold_mode: `rel`, as a share of the best so far, or `abs`.
        cooldown: how long after a drop nothing counts against it.
    """

    metric: str = "val_loss"
    factor: float = 0.1
    patience: Duration = Duration(10, "%")
    threshold: float = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: Duration = Duration(0, "ep")

    def __post_init__(self) -> None:
        check_in("(0, 1]", "scheduler.factor", self.factor)
        check_named("scheduler.metric", self.metric)
        if self.threshold < 0.0 or (self.threshold >= 1.0 and self.threshold_mode == "rel"):
            raise ConfigError(
                f"scheduler.threshold must be 0 or more, and less than 1 where it is a share "
                f"(threshold_mode=rel), got {self.threshold}"
            )

    def build(self, frame: Frame) -> Watch:
        """Return a fresh schedule, at the peak."""
        if frame.every < frame.start.steps_per_epoch:
            raise ConfigError(
                "scheduler.every must be at least 1ep: scheduler=plateau moves at ends of epochs"
            )
        patience, cooldown = (
            math.floor(frame.start.exact_steps(duration) / frame.every + ROUNDING)
            for duration in (self.patience, self.cooldown)
        )
        return Watch(self, patience, cooldown)

    def is_better(self, value: float, best: float) -> bool:
        """Return whether a score improves on the best so far by more than the threshold."""
        is_share = self.threshold_mode == "rel"
        if rises(self.metric):
            return value > (best * (1.0 + self.threshold) if is_share else best + self.threshold)
        return value < (best * (1.0 - self.threshold) if is_share else best - self.threshold)


class Watch:
    """The schedule of one run, moved by what it observes; `patience` and `cooldown` count
    observations."""

    def __init__(self, part: Plateau, patience: int, cooldown: int) -> None:
        self.part, self.patience, self.cooldown = part, patience, cooldown
        self.lr_scale = 1.0
        self.best = -math.inf if rises(part.metric) else math.inf
        self.num_bad = 0
        self.num_cool = 0

    def __call__(self, clock: Clock, floor: float) -> Point:
        """Return the present factor, not below the floor."""
        return Point(max(self.lr_scale, floor))

    def observe(self, scores: Scores) -> None:
        """Count an epoch for or against the present learning rate, and lower it if it is time.

        A score that is no number is no improvement.
        """
        value = value_of(scores, self.part.metric)
        if self.part.is_better(value, self.best):
            self.best, self.num_bad = value, 0
        else:
            self.num_bad += 1
        if self.num_cool:
            self.num_cool -= 1
            self.num_bad = 0
        if self.num_bad > self.patience:
            self.lr_scale *= self.part.factor
            self.num_cool, self.num_bad = self.cooldown, 0

    def state_dict(self) -> dict[str, Any]:
        """Return all that observations have moved."""
        return {
            "lr_scale": self.lr_scale,
            "best": self.best,
            "num_bad": self.num_bad,
            "num_cool": self.num_cool,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.lr_scale, self.best = state["lr_scale"], state["best"]
        self.num_bad, self.num_cool = state["num_bad"], state["num_cool"]
