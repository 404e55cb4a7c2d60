"""The averaging seam: a second set of weights, made from those along the way.

It never touches the learning rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn

from trainer.duration import Amount, Clock, Duration
from trainer.registry import Registry


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


@dataclass(frozen=True)
class Plan:
    """The shared keys of an average in steps of one run.

    Attributes:
        start: first step after which a snapshot may be taken.
        every: steps between snapshots.
    """

    start: int
    every: int

    def is_due(self, window: int) -> bool:
        """Return whether a snapshot is taken after `window` steps are done."""
        return window > self.start and (window - self.start) % self.every == 0


class Average(Protocol):
    """What an average does while training runs."""

    def update(self, model: nn.Module, clock: Clock) -> None:
        """Take in the model's weights after `clock.window` steps, if a snapshot is due."""

    def eval_model(self) -> nn.Module | None:
        """Return a module with the averaged weights, or None while there are none.

        Its BatchNorm statistics are stale.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep besides the averaged weights: plain numbers."""

    def load_state_dict(self, state: dict[str, Any], weights: dict[str, Any]) -> None:
        """Go on from a checkpoint: `state` from `state_dict`, `weights` the averaged model's."""


class Averaging(Protocol):
    """A component of this seam."""

    def build(self, model: nn.Module, plan: Plan) -> Average:
        """Return a fresh average for `model`."""


AVERAGES: Registry[Averaging] = Registry("average", AverageKeys)
