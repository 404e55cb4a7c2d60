"""What every mixing of two examples shares: whom an example is mixed with, and the soft targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from trainer.data.base import Batch
from trainer.duration import Clock


def partners(batch: Batch, clock: Clock) -> torch.Tensor:
    """Return for each example the place (B,) of its partner: a permutation of the micro-batch."""
    order = clock.stream("mix", "partners", batch.start).permutation(len(batch.labels))
    return torch.from_numpy(order).to(batch.labels.device)


def soft_targets(batch: Batch) -> torch.Tensor:
    """Return the targets (B, K) of the batch: one-hot unless they are soft already."""
    if batch.targets is not None:
        return batch.targets
    return F.one_hot(batch.labels, batch.num_classes).to(batch.images.dtype)
