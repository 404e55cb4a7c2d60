"""Knowledge distillation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from trainer.core.errors import unknown
from trainer.core.weights_source import Origin
from trainer.loss import LOSSES, Batch, ConfigError, Trained, check_in
from trainer.loss._class_weights import ClassWeights
from trainer.loss.base import cross_entropy
from trainer.metrics import wide
from trainer.model import MODELS

KEY = "loss.teacher"


@LOSSES.register("distill")
@dataclass(frozen=True)
class Distill:
    """Cross entropy with the labels, and closeness to a trained network, the teacher.

    loss = label_weight * CE(labels, student) + alpha * T^2 * KL(teacher / T || student / T)

    "Distilling the Knowledge in a Neural Network", arXiv:1503.02531, whose factor T^2 keeps the
    gradients of the softened part at their size; by default the sum of both with T = 20 as in "Bag
    of Tricks for Image Classification with Convolutional Neural Networks", arXiv:1812.01187,
    section 5.3. The papers write the softened part as a cross entropy: the Kullback-Leibler
    divergence differs by the teacher's entropy, which moves no gradient, and is 0 where they agree.

    The teacher sees what the student sees: augmented and mixed images.

    Attributes:
        teacher: a run on the same data, whose record says which network it is (its last weights;
            `<run>@best` and the like for others), or a `.safetensors` file.
        teacher_model: network of a weights file, a name of the group `model`; null for a run.
        teacher_args: its keys where they are not the defaults, such as `{depth: 16}`.
        temperature: T, divides the logits of both; positive.
        alpha: weight of the closeness; positive.
        label_weight: weight of the cross entropy with the labels; 0 learns from the teacher alone.
        label_smoothing: of the cross entropy, in [0, 1).
        class_weights: how much each class counts in the cross entropy; the closeness counts every
            image alike.
    """

    teacher: Origin
    teacher_model: str | None = None
    teacher_args: Mapping[str, Any] | None = None
    temperature: float = 20.0
    alpha: float = 1.0
    label_weight: float = 1.0
    label_smoothing: float = 0.0
    class_weights: ClassWeights = ClassWeights()

    def __post_init__(self) -> None:
        check_in("[0, 1)", "loss.label_smoothing", self.label_smoothing)
        for key, value in (("temperature", self.temperature), ("alpha", self.alpha)):
            if value <= 0:
                raise ConfigError(f"loss.{key} must be positive, got {value}")
        check_in("[0, inf)", "loss.label_weight", self.label_weight)
        weighted = self.class_weights != ClassWeights()
        for name, is_set in (
            ("label_smoothing", self.label_smoothing),
            ("class_weights", weighted),
        ):
            if self.label_weight == 0 and is_set:
                raise ConfigError(
                    f"loss.{name}={getattr(self, name)} has no effect with loss.label_weight=0: "
                    "set one of them otherwise"
                )
        self._check_teacher()

    def _check_teacher(self) -> None:
        if self.teacher.path is None:
            raise ConfigError(
                f"{KEY}={self.teacher}: those networks saw other images, normalised otherwise; "
                "name a run or a .safetensors file"
            )
        if self.teacher_args and self.teacher_model is None:
            raise ConfigError("loss.teacher_args needs loss.teacher_model, the network's name")
        if self.teacher.is_file:
            if self.teacher_model is None:
                raise ConfigError(
                    f"{KEY}={self.teacher}: a file does not say which network it is for; set "
                    "loss.teacher_model, and loss.teacher_args where its keys are not the defaults"
                )
            if self.teacher_model not in MODELS.names():
                raise unknown("loss.teacher_model", self.teacher_model, MODELS.names())
        elif self.teacher_model is not None:
            raise ConfigError(
                f"loss.teacher_model={self.teacher_model} is for a .safetensors file; the run "
                f"{self.teacher} records its own"
            )

    def build(self, trained: Trained) -> Distillation:
        """Return the loss with its teacher."""
        weights = self.class_weights.of(trained.classes, trained.class_counts)
        teacher = trained.network(KEY, self.teacher_model, self.teacher_args)
        return Distillation(self, teacher, weights)


@dataclass(frozen=True)
class Distillation:
    """A loss that asks its teacher, which is in eval mode: images (B, C, H, W) -> logits (B, K)."""

    keys: Distill
    teacher: nn.Module
    weights: torch.Tensor | None = None

    def __call__(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the mean loss ()."""
        with torch.no_grad():
            taught = self.teacher(batch.images)
        close = closeness(logits, taught, self.keys.temperature) * self.keys.alpha
        if self.keys.label_weight == 0:
            return close
        hard = cross_entropy(logits, batch, self.keys.label_smoothing, self.weights)
        return close + hard * self.keys.label_weight


def closeness(logits: torch.Tensor, taught: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return T^2 times the mean divergence () of the student's distribution (B, K) from the
    teacher's, at temperature T."""
    student = F.log_softmax(wide(logits) / temperature, dim=1)
    teacher = F.log_softmax(wide(taught) / temperature, dim=1)
    divergence = F.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return divergence * temperature**2
