"""Stochastic weight averaging as `torchcontrib.optim.SWA` does it by itself."""

from dataclasses import dataclass

from torch import nn

from trainer.average import (
    AVERAGES,
    AverageKeys,
    Clock,
    ConfigError,
    Duration,
    Shadow,
    SnapshotPlan,
)
from trainer.average._averaged_copy import equal_share


@AVERAGES.register("swa_torchcontrib")
@dataclass(frozen=True)
class SwaTorchcontrib:
    """The mean of the weights after each step s with s > start and s divisible by every.

    torchcontrib's automatic mode, SWA(optimizer, swa_start, swa_freq, swa_lr), which counts in
    optimizer steps: so `start` and `every` are written in `st`. Its off-by-one is kept: snapshots
    are in time with the run's beginning, not with `start` (after start=12st, every=5st they are at
    steps 15, 20, ..., where `average=swa` has 17, 22, ...), and at step `start` itself there is
    none, though its lr is swa_lr from the step after it on. That lr is the scheduler's business.

    Deviations: BatchNorm statistics are recomputed, which there is a call of its own (`bn_update`);
    the average never takes the model's place (`swap_swa_sgd`), it is evaluated beside it.
    """

    def check(self, keys: AverageKeys) -> None:
        """Raise ConfigError unless `start` and `every` are numbers of steps."""
        wanted: dict[str, Duration] = {"start": keys.start, "every": keys.every}
        for key, value in wanted.items():
            if value.unit != "st":
                raise ConfigError(
                    f"average.{key}={value}: torchcontrib counts in optimizer steps; write "
                    f"average.{key}=300st, or choose average=swa"
                )
        if keys.every.value < 1:
            raise ConfigError(f"average.every={keys.every}: the least is 1st")

    def plan(self, keys: AverageKeys, clock: Clock) -> SnapshotPlan:
        """Return the plan, in time with step 0."""
        plan = SnapshotPlan(clock.steps(keys.start), clock.steps(keys.every), anchor=0)
        return plan.within(keys, clock)

    def build(self, model: nn.Module, plan: SnapshotPlan) -> Shadow:
        """Return the running mean."""
        return Shadow(model, plan, equal_share)
