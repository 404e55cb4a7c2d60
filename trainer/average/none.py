"""No averaging."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from trainer.average import AVERAGES, AverageKeys, Clock, SnapshotPlan


class Nothing:
    """Keeps nothing."""

    is_stale = False
    plan = SnapshotPlan(0, 1)  # that nobody asks

    def update(self, model: nn.Module, clock: Clock) -> None:
        """Do nothing."""

    def eval_model(self) -> None:
        """Return None: there is no second set of weights."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing to keep."""
        return {}

    def load_state_dict(self, state: dict[str, Any], weights: dict[str, Any]) -> None:
        """Take nothing."""


@AVERAGES.register("none")
@dataclass(frozen=True)
class NoAverage:
    """The final weights are the only ones."""

    def check(self, keys: AverageKeys) -> None:
        """Accept the defaults: there are no others."""

    def plan(self, keys: AverageKeys, clock: Clock) -> SnapshotPlan:
        """Return a plan that nobody asks."""
        return SnapshotPlan(0, 1)

    def build(self, model: nn.Module, plan: SnapshotPlan) -> Nothing:
        """Return the empty average."""
        return Nothing()
