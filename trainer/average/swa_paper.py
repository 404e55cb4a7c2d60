"""Stochastic weight averaging as in the experiments of its paper."""

import math
from dataclasses import dataclass

from torch import nn

from trainer.average import AVERAGES, AverageKeys, Clock, ConfigError, Shadow, SnapshotPlan
from trainer.average._averaged_copy import equal_share


@AVERAGES.register("swa_paper")
@dataclass(frozen=True)
class SwaPaper:
    """The mean of the weights at the ends of epochs `start`, `start + every` and so on.

    "Averaging Weights Leads to Wider Optima and Better Generalization", arXiv:1803.05407, as the
    authors' code runs it: epochs are counted from 1, the first snapshot is the end of epoch `start`
    itself (161 of 300 for their VGG16), and no weights from before count. A `start` that is no
    whole number of epochs moves to the end of its epoch. The learning rate is the scheduler's
    business.

    Deviation: BatchNorm statistics are recomputed on clean images, there on augmented ones.
    """

    def check(self, keys: AverageKeys) -> None:
        """Raise ConfigError unless `every` is a whole number of epochs."""
        every = keys.every
        if every.unit != "ep" or every.value < 1 or not every.value.is_integer():
            raise ConfigError(
                f"average.every={every}: snapshots are taken at the ends of epochs, so write whole "
                "ones such as average.every=1ep, or choose average=swa"
            )

    def plan(self, keys: AverageKeys, clock: Clock) -> SnapshotPlan:
        """Return the plan, in time with the epochs' ends."""
        per_epoch = clock.steps_per_epoch
        start = per_epoch * math.ceil(clock.steps(keys.start) / per_epoch)
        return SnapshotPlan(max(start - 1, 0), clock.steps(keys.every), start).within(keys, clock)

    def build(self, model: nn.Module, plan: SnapshotPlan) -> Shadow:
        """Return the running mean."""
        return Shadow(model, plan, equal_share)
