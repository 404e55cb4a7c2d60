"""The loss seam, and the cross entropy that losses share."""

from collections.abc import Mapping, Sequence
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
    """What a loss may ask of the run: networks that were trained before, and its classes."""

    @property
    def classes(self) -> Sequence[str]:
        """Names (K,) of the classes."""

    @property
    def class_counts(self) -> Sequence[int]:
        """Images of each class (K,) that an epoch trains on."""

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
            trained: gives networks that were trained before, and the images of each class.
        """


LOSSES: Registry[Loss] = Registry("loss", LossKeys)


def cross_entropy(
    logits: torch.Tensor,
    batch: Batch,
    label_smoothing: float,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the mean loss () of logits (B, K), in the precision of the logits but at least
    float32.

    With class `weights` (K,) it is 1/B sum_i sum_k w_k q_ik (-log p_ik), q the targets after mixing
    and smoothing, as torch has it for targets that are probabilities. For labels torch divides by
    the batch's own sum of weights instead: then the mean over micro-batches or processes would not
    be that of the batch.
    """
    target = batch.labels if batch.targets is None else batch.targets
    scores = wide(logits)
    if weights is None:
        return F.cross_entropy(scores, target, label_smoothing=label_smoothing)
    weights = weights.to(scores.device, scores.dtype, non_blocking=True)
    total = F.cross_entropy(
        scores, target, weights, label_smoothing=label_smoothing, reduction="sum"
    )
    return total / len(scores)
