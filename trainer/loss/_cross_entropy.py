"""Cross entropy with the labels, or with the soft targets of mixed examples; losses share it."""

import torch
import torch.nn.functional as F

from trainer.data import Batch


def wide(logits: torch.Tensor) -> torch.Tensor:
    """Return logits (B, K) in at least float32."""
    return logits if logits.dtype == torch.float64 else logits.float()


def cross_entropy(logits: torch.Tensor, batch: Batch, label_smoothing: float) -> torch.Tensor:
    """Return the mean loss () of logits (B, K), in the precision of the logits but at least
    float32."""
    target = batch.labels if batch.targets is None else batch.targets
    return F.cross_entropy(wide(logits), target, label_smoothing=label_smoothing)
