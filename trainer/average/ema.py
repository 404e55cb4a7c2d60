"""Exponential moving average of the weights."""

from dataclasses import dataclass

from torch import nn

from trainer.average import (
    AVERAGES,
    AverageKeys,
    Clock,
    ConfigError,
    Shadow,
    SnapshotPlan,
    check_in,
)
from trainer.average._averaged_copy import Buffers

TRACE = 0.1  # of the first snapshot in the last average: more is told


@AVERAGES.register("ema")
@dataclass(frozen=True)
class Ema:
    """Weights that follow the model's: w_ema <- decay * w_ema + (1 - decay) * w at every snapshot.

    Begins as a copy of the first snapshot, so that initial weights leave no trace.

    Attributes:
        decay: share of the old average that stays, in [0, 1).
        decay_warmup: whether the decay of the n-th snapshot (the copy is number 0) is at most
            (1 + n) / (10 + n), as `num_updates` does in TensorFlow's ExponentialMovingAverage: the
            average forgets early weights, far from the later ones, faster.
        buffers: where BatchNorm's running statistics of the averaged weights come from.
            `recompute`: a pass over `bn_images` clean training images, before every evaluation;
            `copy`: the model's at the latest snapshot, at no cost, though they belong to other
            weights (as `torch.optim.swa_utils.AveragedModel` does by default);
            `average`: averaged with the same decay (as it does with `use_buffers=True`).
    """

    decay: float = 0.99
    decay_warmup: bool = False
    buffers: Buffers = "recompute"

    def __post_init__(self) -> None:
        check_in("[0, 1)", "average.decay", self.decay)
        if self.decay_warmup and self.decay <= 2 / 11:
            raise ConfigError(
                f"average.decay_warmup=true has no effect with average.decay={self.decay}: "
                "it begins at 2/11"
            )

    def check(self, keys: AverageKeys) -> None:
        """Raise ConfigError for a number of images that nothing is recomputed from."""
        if self.buffers != "recompute" and keys.bn_images != AverageKeys.bn_images:
            raise ConfigError(
                f"average.bn_images={keys.bn_images} has no effect with "
                f"average.buffers={self.buffers}; leave it out, or write average.buffers=recompute"
            )

    def plan(self, keys: AverageKeys, clock: Clock) -> SnapshotPlan:
        """Return the plan."""
        return SnapshotPlan.of(keys, clock)

    def build(self, model: nn.Module, plan: SnapshotPlan) -> Shadow:
        """Return the moving average.

        Raises:
            ConfigError: if a policy for buffers was chosen and the model has none.
        """
        if self.buffers != "recompute" and not list(model.buffers()):
            raise ConfigError(
                f"average.buffers={self.buffers} has no effect: this model has no buffers"
            )
        return Shadow(model, plan, self.share, buffers=self.buffers)

    def first_share(self, count: int) -> float:
        """Return the weight of the first of `count` snapshots in their average; below `TRACE`, only
        that it is."""
        first, snapshot = 1.0, 1
        while snapshot < count and first > TRACE:
            first *= 1.0 - self.share(snapshot)
            snapshot += 1
        return first

    def share(self, count: int) -> float:
        """Return the weight of the snapshot after `count` others."""
        ramp = (1 + count) / (10 + count) if self.decay_warmup else 1.0
        return 1.0 - min(self.decay, ramp)
