"""Classes of different sizes, shown equally often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from trainer.data._splits import Indices


@dataclass(frozen=True)
class Oversampling:
    """Which images an epoch holds so that every class has as many as the largest.

    Attributes:
        classes: positions of the images of each class that has some.
        size: images of the largest.
    """

    classes: tuple[Indices, ...]
    size: int

    @classmethod
    def of(cls, train: Indices, labels: Indices) -> Self | None:
        """Return the oversampling of images at positions `train` (N,) with labels (N,); None where
        all classes have equally many."""
        classes = tuple(train[labels == label] for label in np.unique(labels))
        sizes = [len(positions) for positions in classes]
        return None if min(sizes) == max(sizes) else cls(classes, max(sizes))

    def images(self, generator: np.random.Generator) -> Indices:
        """Return the positions of an epoch's images, class by class: each image of a class of n
        comes `size` // n times, and `size` % n of them, drawn here, once more."""
        parts: list[Indices] = []
        for positions in self.classes:
            times, rest = divmod(self.size, len(positions))
            parts += [*[positions] * times, generator.permutation(positions)[:rest]]
        return np.concatenate(parts)
