"""How much each class counts in a training loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from trainer.core.convert import Written, is_finite, shown
from trainer.core.errors import ConfigError
from trainer.core.file_kinds import joined

WORDS = ("none", "balanced")
KEY = "loss.class_weights"


@dataclass(frozen=True)
class ClassWeights(Written):
    """Weights of the classes: `none` (all 1), `balanced`, or a list in the classes' order.

    `balanced` is n / (K n_c) for a class with n_c of the n training images, as in scikit-learn.
    Of a list only the ratios count: it is scaled so that the mean over the training images is 1, as
    that of `balanced` is, and the loss keeps its scale.

    Attributes:
        word: `none`, `balanced` or `list`.
        numbers: of the list, in the classes' order; positive.
    """

    word: str = "none"
    numbers: tuple[float, ...] = ()

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the weights written as `value`; raise ConfigError for other words or numbers."""
        if value in WORDS:
            return cls(str(value))
        if isinstance(value, list | tuple) and value:
            for number in value:
                is_number = isinstance(number, int | float) and not isinstance(number, bool)
                if not is_number or not is_finite(number) or number <= 0:
                    raise ConfigError(
                        f"{key} must hold positive numbers, one for each class, got {shown(number)}"
                    )
            return cls("list", tuple(float(number) for number in value))
        raise ConfigError(
            f"{key} must be none, balanced, or a list of positive numbers, one for each class; got "
            f"{shown(value)}"
        )

    def __str__(self) -> str:
        return self.word if self.word != "list" else str(list(self.numbers))

    def plain(self) -> Any:
        """Return the YAML form: the word, or the list."""
        return self.word if self.word != "list" else list(self.numbers)

    def of(self, classes: Sequence[str], counts: Sequence[int]) -> torch.Tensor | None:
        """Return the weights (K,) float64 of classes with so many images in an epoch of training,
        with mean 1 over these images; None where all count alike.

        Raises:
            ConfigError: if the list has another length, or `balanced` meets a class without images
                or classes that are balanced already.
        """
        if self.word == "none":
            return None
        if self.word == "list" and len(self.numbers) != len(classes):
            raise ConfigError(
                f"{KEY} has {len(self.numbers)} weights for {len(classes)} classes: "
                f"{joined(classes, 10)}"
            )
        images = torch.tensor(counts, dtype=torch.float64)
        if self.word == "balanced":
            absent = [name for name, count in zip(classes, counts, strict=True) if not count]
            if absent:
                raise ConfigError(f"{KEY}=balanced: no training image of {joined(absent, 5)}")
            return images.sum() / (len(classes) * images)
        weights = torch.tensor(self.numbers, dtype=torch.float64)
        return weights * (images.sum() / (weights * images).sum())
