"""Mixup."""

from dataclasses import dataclass

from trainer.mix import MIXES, Batch, Pairs, check_in
from trainer.mix._blend import blend


@MIXES.register("mixup")
@dataclass(frozen=True)
class Mixup:
    """Each example is blended with another, images and targets alike: lambda a + (1 - lambda) b.

    "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412. The defaults are those of the
    authors' code: one lambda for the whole batch, partners from the same batch, permuted. The
    paper's text draws two examples independently (`mix.partners=independent`). Under several
    processes or accumulation lambda is that of the step; permuted partners are within the
    micro-batch, independent ones do not depend on either.

    Attributes:
        alpha: lambda is drawn from Beta(alpha, alpha); 0 leaves every batch as it is.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_in("[0, inf)", "mix.alpha", self.alpha)

    def __call__(self, batch: Batch, pairs: Pairs) -> Batch:
        """Return the blended batch."""
        return blend(batch, pairs, self.alpha)
