"""Mixup."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trainer.data.base import Batch
from trainer.duration import Clock
from trainer.errors import ConfigError
from trainer.mix._pairs import partners, soft_targets
from trainer.mix.base import MIXES


@MIXES.register("mixup")
@dataclass(frozen=True)
class Mixup:
    """Each example is blended with another, images and targets alike: lambda a + (1 - lambda) b.

    "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412. As in the authors' code, and
    unlike the paper's formula, one lambda serves the whole batch and partners come from the same
    batch, permuted. Under several processes or accumulation lambda is that of the step; partners
    are within the micro-batch.

    Attributes:
        alpha: lambda is drawn from Beta(alpha, alpha); 0 leaves every batch as it is.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if self.alpha < 0.0:
            raise ConfigError(f"mix.alpha must be 0 or more, got {self.alpha}")

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the blended batch."""
        if self.alpha == 0.0:
            return batch
        lam = float(clock.stream("mix", "lambda").beta(self.alpha, self.alpha))
        other = partners(batch, clock)
        targets = soft_targets(batch)
        return replace(
            batch,
            images=batch.images.mul(lam).add_(batch.images[other], alpha=1.0 - lam),
            targets=targets.mul(lam).add_(targets[other], alpha=1.0 - lam),
        )
