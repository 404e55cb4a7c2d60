"""Cross entropy."""

from dataclasses import dataclass

import torch

from trainer.loss import LOSSES, Batch, Criterion, Trained, check_in
from trainer.loss._class_weights import ClassWeights
from trainer.loss.base import cross_entropy


@LOSSES.register("cross_entropy")
@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy of the softmax, in the precision of the logits but at least float32.

    Attributes:
        label_smoothing: mass taken from the target and spread over all classes, in [0, 1);
            "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567.
        class_weights: how much each class counts; evaluations count every image alike.
    """

    label_smoothing: float = 0.0
    class_weights: ClassWeights = ClassWeights()

    def __post_init__(self) -> None:
        check_in("[0, 1)", "loss.label_smoothing", self.label_smoothing)

    def build(self, trained: Trained) -> Criterion:
        """Return itself, or the loss with the weights of the run's classes."""
        if self.class_weights == ClassWeights():
            return self
        weights = self.class_weights.of(trained.classes, trained.class_counts)
        return Weighted(self.label_smoothing, weights)

    def __call__(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean loss ()."""
        return cross_entropy(logits, batch, self.label_smoothing)


@dataclass(frozen=True)
class Weighted:
    """Cross entropy with weights (K,) of the classes."""

    label_smoothing: float
    weights: torch.Tensor | None

    def __call__(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean loss ()."""
        return cross_entropy(logits, batch, self.label_smoothing, self.weights)
