"""CutMix."""

from dataclasses import dataclass

from trainer.mix import MIXES, Batch, Pairs, check_in
from trainer.mix._blend import paste


@MIXES.register("cutmix")
@dataclass(frozen=True)
class Cutmix:
    """A box of each image is replaced by the same box of another; targets are mixed by area.

    "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features",
    arXiv:1905.04899. As in the authors' code the box's centre is uniform over the image, what
    lies outside is cut off, and lambda is then corrected to the area that was really pasted. The
    paper mixes every step on ImageNet and half of them on CIFAR (`mix.probability=0.5`).

    Attributes:
        alpha: lambda, the share of the image that stays, is drawn from Beta(alpha, alpha); 0
            leaves every batch as it is.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_in("[0, inf)", "mix.alpha", self.alpha)

    def __call__(self, batch: Batch, pairs: Pairs) -> Batch:
        """Return the batch with pasted boxes."""
        return paste(batch, pairs, self.alpha)
