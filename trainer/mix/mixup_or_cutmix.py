"""Mixup at some steps, CutMix at the others."""

from dataclasses import dataclass

from trainer.mix import MIXES, Batch, Pairs, check_in
from trainer.mix._blend import blend, paste


@MIXES.register("mixup_or_cutmix")
@dataclass(frozen=True)
class MixupOrCutmix:
    """A coin is thrown at each step: its whole batch is mixed by mixup or by CutMix.

    As in the training recipe of "Training data-efficient image transformers", arXiv:2012.12877,
    whose values the defaults are; the two are arXiv:1710.09412 and arXiv:1905.04899.

    Attributes:
        alpha: of mixup: lambda is drawn from Beta(alpha, alpha); 0 leaves its batches as they are.
        cutmix_alpha: the same of CutMix.
        cutmix_share: share of the mixed steps that CutMix gets, in [0, 1].
    """

    alpha: float = 0.8
    cutmix_alpha: float = 1.0
    cutmix_share: float = 0.5

    def __post_init__(self) -> None:
        check_in("[0, inf)", "mix.alpha", self.alpha)
        check_in("[0, inf)", "mix.cutmix_alpha", self.cutmix_alpha)
        check_in("[0, 1]", "mix.cutmix_share", self.cutmix_share)

    def __call__(self, batch: Batch, pairs: Pairs) -> Batch:
        """Return the mixed batch."""
        if pairs.step("switch") < self.cutmix_share:
            return paste(batch, pairs, self.cutmix_alpha)
        return blend(batch, pairs, self.alpha)
