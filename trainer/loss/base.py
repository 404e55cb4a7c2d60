"""The loss seam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from trainer.data.base import Batch
from trainer.registry import Registry


@dataclass(frozen=True)
class LossKeys:
    """Keys that every choice of `loss` has: none."""


class Loss(Protocol):
    """A component of this seam."""

    def __call__(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean loss () over the micro-batch.

        Args:
            logits: (B, K).
            batch: its `targets` where examples were mixed, else its `labels`.
        """


LOSSES: Registry[Loss] = Registry("loss", LossKeys)
