"""Cross entropy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from trainer.data.base import Batch
from trainer.errors import ConfigError
from trainer.loss.base import LOSSES


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
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ConfigError(f"loss.label_smoothing must be in [0, 1), got {self.label_smoothing}")

    def __call__(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean loss ()."""
        wide = logits if logits.dtype == torch.float64 else logits.float()
        target = batch.labels if batch.targets is None else batch.targets
        return F.cross_entropy(wide, target, label_smoothing=self.label_smoothing)
