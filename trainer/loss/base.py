"""The loss seam, and the cross entropy that losses share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import nn

from trainer.core.registry import Registry
from trainer.data import Batch
from trainer.metrics import wide


@dataclass(frozen=True)
class LossKeys:
    """Keys that every choice of `loss` has: none."""


class Criterion(Protocol):
    """What the loop calls."""

    def __call__(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean loss () over the micro-batch.

        Args:
            logits: (B, K).
            batch: as the model saw it; its `targets` where examples were mixed, else its `labels`.
        """


class Trained(Protocol):
    """Networks that were trained before, for a loss that needs one."""

    def network(self, key: str, name: str | None, args: Mapping[str, Any] | None) -> nn.Module:
        """Return a network with the weights that a key of the configuration names.

        It is in eval mode, needs no gradient, and computes where and as the run does.

        Args:
            key: such as `loss.teacher`, whose value is an `Origin`.
            name: of the network in the group `model`, for a weights file; None for a run, whose
                record says it.
            args: keys of that network.

        Raises:
            ConfigError: if it was trained on other data, or the weights do not fit.
        """


class Loss(Protocol):
    """A component of this seam."""

    def build(self, trained: Trained) -> Criterion:
        """Return what the loop calls: a loss that keeps nothing returns itself.

        Args:
            trained: gives networks that were trained before.
        """


LOSSES: Registry[Loss] = Registry("loss", LossKeys)


def cross_entropy(logits: torch.Tensor, batch: Batch, label_smoothing: float) -> torch.Tensor:
    """Return the mean loss () of logits (B, K), in the precision of the logits but at least
    float32."""
    target = batch.labels if batch.targets is None else batch.targets
    return F.cross_entropy(wide(logits), target, label_smoothing=label_smoothing)
