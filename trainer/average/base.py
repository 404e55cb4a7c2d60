"""The averaging seam: a second set of weights, made from those along the way.

It never touches the learning rate.
"""

from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

from torch import nn

from trainer.core.clock import Clock
from trainer.core.errors import ConfigError
from trainer.core.registry import Registry
from trainer.core.units import Amount, Duration


@dataclass(frozen=True)
class AverageKeys:
    """Keys that every choice of `average` has.

    Attributes:
        start: when averaging begins, counted from the first step.
        every: a snapshot is taken each so often, from `start` on.
        bn_images: clean training images over which BatchNorm statistics of the averaged weights are
            recomputed.
        eval_every: how often the averaged weights are evaluated during training (always at the
            end).
    """

    start: Duration = Duration(0, "ep")
    every: Duration = Duration(1, "st")
    bn_images: Amount = Amount(10000, False)
    eval_every: Duration = Duration(1, "ep")

    def __post_init__(self) -> None:
        if self.bn_images.value <= 0:
            raise ConfigError(
                f"average.bn_images must be positive, got {self.bn_images}: averaged weights have "
                "no BatchNorm statistics of their own"
            )


@dataclass(frozen=True)
class SnapshotPlan:
    """At which steps of one run snapshots are taken.

    Attributes:
        start: a snapshot is taken only when more than that many steps are done.
        every: steps between snapshots.
        anchor: a step that the snapshots are in time with; `start` where it is None.
    """

    start: int
    every: int
    anchor: int | None = None

    @classmethod
    def of(cls, keys: AverageKeys, clock: Clock) -> Self:
        """Return the plan of most averages: at `start + every`, and each `every` from then on.

        Raises:
            ConfigError: if that would be after the run's end, or `every` is less than a step.
        """
        start, every = clock.steps(keys.start), clock.steps(keys.every)
        if every < 1:
            raise ConfigError(f"average.every={keys.every} is less than one step; the least is 1st")
        return cls(start, every).within(keys, clock)

    @property
    def first(self) -> int:
        """The step of the first snapshot."""
        anchor = self.start if self.anchor is None else self.anchor
        return self.start + 1 + (anchor - self.start - 1) % self.every

    def is_due(self, step: int) -> bool:
        """Return whether a snapshot is taken after `step` steps are done."""
        return step >= self.first and (step - self.first) % self.every == 0

    def within(self, keys: AverageKeys, clock: Clock) -> Self:
        """Return the plan itself; raise ConfigError if its first snapshot is after the run."""
        if self.first > clock.total:
            raise ConfigError(
                f"average.start={keys.start} and average.every={keys.every} put the first snapshot "
                f"after step {self.first}, but the run has {clock.total} steps: "
                f"{self.remedy(keys, clock)}"
            )
        return self

    def remedy(self, keys: AverageKeys, clock: Clock) -> str:
        """Return what the user may do where the first snapshot is after the run."""
        latest = clock.total - self.every  # a snapshot is at most `every` later
        if latest < 0:
            return "train longer, or set a shorter average.every"
        units = {
            "%": 100 * latest // clock.total,
            "ep": latest // clock.steps_per_epoch,
            "st": latest,
        }
        start = Duration(units[keys.start.unit], keys.start.unit)
        return f"set average.start={start}, or train longer"


def check_evaluated(keys: AverageKeys, val: Amount) -> None:
    """Raise ConfigError if it is said how often averaged weights are evaluated, on no images."""
    if not val.value and keys.eval_every != AverageKeys.eval_every:
        raise ConfigError(
            f"average.eval_every={keys.eval_every} has no effect with data.val=0, which leaves no "
            "image to evaluate on; leave it out, or hold images out, as with data.val=10%"
        )


class Average(Protocol):
    """What an average does while training runs.

    Attributes:
        is_stale: whether the BatchNorm statistics of `eval_model` must be recomputed.
        plan: when snapshots are taken; set anew where `max_time` plans another number of steps.
    """

    is_stale: bool
    plan: SnapshotPlan

    def update(self, model: nn.Module, clock: Clock) -> None:
        """Take in the model's weights after `clock.step` steps, if a snapshot is due.

        May write into the model's parameters, in place; never into its buffers.
        """

    def eval_model(self) -> nn.Module | None:
        """Return a module with the averaged weights, or None while there are none."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep besides the averaged weights: plain data."""

    def load_state_dict(self, state: dict[str, Any], weights: dict[str, Any]) -> None:
        """Go on from a checkpoint: `state` from `state_dict`, `weights` the averaged model's."""


class Averaging(Protocol):
    """A component of this seam."""

    def check(self, keys: AverageKeys) -> None:
        """Raise ConfigError for a shared key that this average cannot follow; needs no data."""

    def plan(self, keys: AverageKeys, clock: Clock) -> SnapshotPlan:
        """Return when snapshots are taken, usually `Plan.of(keys, clock)`.

        Args:
            keys: the shared keys.
            clock: any of the run; it turns durations into steps.

        Raises:
            ConfigError: if the run ends before the first one.
        """

    def build(self, model: nn.Module, plan: SnapshotPlan) -> Average:
        """Return a fresh average for `model`, whose weights are those before the first step.

        Raises:
            ConfigError: if the component's keys do not fit the model.
        """


@runtime_checkable
class Forgetful(Protocol):
    """A component whose average forgets early weights."""

    def first_share(self, count: int) -> float:
        """Return the weight of the first of `count` snapshots in their average; below a tenth, only
        that it is."""


AVERAGES: Registry[Averaging] = Registry("average", AverageKeys)
