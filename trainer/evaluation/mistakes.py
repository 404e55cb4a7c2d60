"""What is kept of an evaluation while it is made: confusions, calibration, the gravest mistakes.

Its size does not grow with the images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.data import Batch
from trainer.evaluation.scores import (
    BINS,
    Answers,
    Floats,
    Ints,
    balanced,
    bin_sums,
    bins_of,
    calibration_error,
    class_scores,
    confused_pairs,
    confusion,
)
from trainer.strategy.collectives import Communicator

MOST = 24  # mistakes that are kept
WORST, PAIRS = 20, 10  # classes and pairs that a record names


@dataclass(frozen=True)
class Mistake:
    """An image that was taken for another class.

    Attributes:
        confidence: probability of that class.
        label: the right one; `guess` is what it was taken for.
        pixels: (C, H, W) uint8.
    """

    confidence: float
    label: int
    guess: int
    pixels: NDArray[np.uint8]


def mistakes_of(images: torch.Tensor, answers: Answers) -> list[Mistake]:
    """Return the gravest of the images (B, C, H, W) whose class was not the likeliest."""
    wrong = np.flatnonzero(~answers.hits)
    wrong = wrong[np.argsort(-answers.confidences[wrong], kind="stable")][:MOST]
    return [
        Mistake(
            float(answers.confidences[i]),
            int(answers.labels[i]),
            int(answers.guesses[i]),
            images[i].cpu().numpy(),
        )
        for i in wrong.tolist()
    ]


def gravest(mistakes: list[Mistake]) -> list[Mistake]:
    """Return the mistakes that the network was surest of; of equals the first."""
    return sorted(mistakes, key=lambda mistake: -mistake.confidence)[:MOST]


@dataclass
class Errors:
    """Where a network errs.

    Attributes:
        counts: (K, K) images of each class (row) that were taken for each class (column).
        sums: (bins, 3) images, confidences and hits in ranges of confidence.
        mistakes: the gravest.
    """

    counts: Ints
    sums: Floats
    mistakes: list[Mistake]

    @classmethod
    def none(cls, num_classes: int) -> Errors:
        """Return those of no image."""
        counts = np.zeros((num_classes, num_classes), np.int64)
        return cls(counts, np.zeros((BINS, 3)), [])

    def look(self, batch: Batch, logits: torch.Tensor) -> None:
        """Count a batch of stored images with their logits (B, K)."""
        probabilities = logits.double() if logits.device.type != "mps" else logits.cpu().double()
        found = probabilities.softmax(1).cpu().numpy()
        if not np.isfinite(found).all():
            return  # the loss is not finite either, and ends the run
        answers = Answers(found, batch.labels.cpu().numpy())
        self.counts += confusion(answers)
        self.sums += bin_sums(answers)
        self.mistakes = gravest([*self.mistakes, *mistakes_of(batch.images, answers)])

    def gathered(self, communicator: Communicator) -> Errors:
        """Return those of all processes."""
        parts: list[Errors] = communicator.all_gather(self)
        return Errors(
            sum((part.counts for part in parts[1:]), parts[0].counts),
            sum((part.sums for part in parts[1:]), parts[0].sums),
            gravest([mistake for part in parts for mistake in part.mistakes]),
        )

    def plain(self, classes: tuple[str, ...], weights: str) -> dict[str, Any]:
        """Return what `summary.json` holds of them: of weights that are `final` or `averaged`."""
        rows = class_scores(self.counts)
        named = [
            {"class": name, "images": row.images, "recall": row.recall, "precision": row.precision}
            for name, row in zip(classes, rows, strict=True)
            if row.recall is not None
        ]
        pairs = confused_pairs(self.counts)[:PAIRS]
        return {
            "weights": weights,
            "balanced": balanced(rows),
            "calibration_error": calibration_error(bins_of(self.sums)),
            "worst": sorted(named, key=lambda row: row["recall"] or 0.0)[:WORST],
            "confused": [{"class": classes[a], "as": classes[b], "images": n} for a, b, n in pairs],
        }
