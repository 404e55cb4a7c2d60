"""Cross entropy."""

from dataclasses import dataclass
from typing import Self

import torch

from trainer.loss import LOSSES, Batch, Trained, check_in
from trainer.loss.base import cross_entropy


@LOSSES.register("cross_entropy")
@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy of the softmax, in the precision of the logits but at least float32.

    Attributes:
        label_smoothing: mass taken from the target and spread over all classes, in [0, 1);
            "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567.
    """

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_in("[0, 1)", "loss.label_smoothing", self.label_smoothing)

    def build(self, trained: Trained) -> Self:
        """Return itself: it keeps nothing."""
        return self

    def __call__(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean loss ()."""
        return cross_entropy(logits, batch, self.label_smoothing)
