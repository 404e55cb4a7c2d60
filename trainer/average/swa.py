"""Stochastic weight averaging."""

from dataclasses import dataclass, replace

from torch import nn

from trainer.average import AVERAGES, AverageKeys, Clock, Shadow, SnapshotPlan
from trainer.average._averaged_copy import equal_share


@AVERAGES.register("swa")
@dataclass(frozen=True)
class Swa:
    """The plain mean of the weights at every snapshot.

    "Averaging Weights Leads to Wider Optima and Better Generalization", arXiv:1803.05407. Snapshots
    are taken at `start + every`, `start + 2 every` and so on. With `include_init`, `start=0ep` and
    `every=1st` it is the paper's algorithm 1 to the letter; without, the average begins at the
    first snapshot, as in `torch.optim.swa_utils.AveragedModel`. The learning rate is the
    scheduler's business.

    Attributes:
        include_init: whether the weights that averaging starts from (at step `start`; the initial
            ones if that is 0) count as a snapshot too.
    """

    include_init: bool = False

    def check(self, keys: AverageKeys) -> None:
        """Accept every shared key."""

    def plan(self, keys: AverageKeys, clock: Clock) -> SnapshotPlan:
        """Return the plan; it has a snapshot at `start` itself with `include_init`."""
        plan = SnapshotPlan.of(keys, clock)
        return replace(plan, start=plan.start - 1, anchor=plan.start) if self.include_init else plan

    def build(self, model: nn.Module, plan: SnapshotPlan) -> Shadow:
        """Return the running mean."""
        return Shadow(model, plan, equal_share)
