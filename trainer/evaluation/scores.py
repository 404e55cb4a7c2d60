"""What an evaluation says beyond loss and accuracy: classes, confusions, calibration, flips. On
arrays alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 15  # of the calibration error, as in its paper's tables


@dataclass(frozen=True)
class Answers:
    """What a network answered to N images.

    Attributes:
        probabilities: (N, K), each row sums to 1.
        labels: (N,) the right classes.
    """

    probabilities: Floats
    labels: Ints

    @property
    def guesses(self) -> Ints:
        """(N,) The likeliest class of each image, the first of equals."""
        guesses: Ints = self.probabilities.argmax(1)
        return guesses

    @property
    def confidences(self) -> Floats:
        """(N,) The probability of that class."""
        highest: Floats = self.probabilities.max(1)
        return highest

    @property
    def hits(self) -> NDArray[np.bool_]:
        """(N,) Whether it is the right one."""
        return np.asarray(self.guesses == self.labels)


def confusion(answers: Answers) -> Ints:
    """Return how many images of each class (row) were taken for each class (column), (K, K)."""
    classes = answers.probabilities.shape[1]
    places = answers.labels * classes + answers.guesses
    counts: Ints = np.bincount(places, minlength=classes * classes).reshape(classes, classes)
    return counts


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class.

    Attributes:
        images: of the class.
        recall: share of them that were recognised; None where there are none.
        precision: share of right ones among images that were taken for the class; None where none
            was.
    """

    images: int
    recall: float | None
    precision: float | None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both; 0 where one of them is, None where neither is defined."""
        if self.recall is None and self.precision is None:
            return None
        recall, precision = self.recall or 0.0, self.precision or 0.0
        return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def class_scores(counts: Ints) -> list[ClassScores]:
    """Return the scores of each class, from a confusion matrix."""
    images, guessed, right = counts.sum(1), counts.sum(0), counts.diagonal()
    return [
        ClassScores(int(n), float(hit / n) if n else None, float(hit / g) if g else None)
        for n, g, hit in zip(images, guessed, right, strict=True)
    ]


def balanced(scores: list[ClassScores]) -> float:
    """Return the mean recall of the classes that have images."""
    return math.fsum(s.recall for s in scores if s.recall is not None) / sum(
        s.recall is not None for s in scores
    )


@dataclass(frozen=True)
class Bin:
    """Images of one range of confidence.

    Attributes:
        low: of the range, left out; `high` belongs to it.
        high: likewise.
        images: in it.
        confidence: their mean confidence.
        accuracy: share of them that are right.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def bin_sums(answers: Answers, bins: int = BINS) -> Floats:
    """Return how many images have a confidence in each of the ranges of equal width, the sum of
    their confidences, and their hits, (bins, 3)."""
    places = np.clip(np.ceil(answers.confidences * bins).astype(int) - 1, 0, bins - 1)
    weights = (None, answers.confidences, answers.hits.astype(np.float64))
    return np.stack([np.bincount(places, w, minlength=bins) for w in weights], axis=1).astype(float)


def bins_of(sums: Floats) -> list[Bin]:
    """Return confidence and accuracy in each range, of its sums; those without images are left
    out."""
    bins = len(sums)
    return [
        Bin(place / bins, (place + 1) / bins, int(images), confidences / images, hits / images)
        for place, (images, confidences, hits) in enumerate(sums.tolist())
        if images
    ]


def reliability(answers: Answers, bins: int = BINS) -> list[Bin]:
    """Return confidence and accuracy in ranges of equal width, those without images left out."""
    return bins_of(bin_sums(answers, bins))


def calibration_error(bins: list[Bin]) -> float:
    """Return the expected calibration error: the mean distance of confidence and accuracy, weighted
    by images.

    "On Calibration of Modern Neural Networks", arXiv:1706.04599, equation 3.
    """
    images = sum(b.images for b in bins)
    return math.fsum(b.images * abs(b.confidence - b.accuracy) for b in bins) / images


def confused_pairs(counts: Ints) -> list[tuple[int, int, int]]:
    """Return (class, class it was taken for, images), the most frequent first."""
    pairs = [(int(a), int(b), int(counts[a, b])) for a, b in np.argwhere(counts) if a != b]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[:2]))


@dataclass(frozen=True)
class Flips:
    """How two networks differ on the same images.

    Attributes:
        both: that both are right on.
        gained: that the first alone is right on.
        lost: that the second alone is right on.
        neither: that neither is right on.
    """

    both: int
    gained: int
    lost: int
    neither: int

    @property
    def p(self) -> float:
        """Probability of so uneven a division of `gained` and `lost`, or a more uneven one, if both
        networks were right equally often: McNemar's exact test."""
        from scipy.special import bdtr

        n, k = self.gained + self.lost, min(self.gained, self.lost)
        return min(1.0, 2.0 * float(bdtr(k, n, 0.5))) if n else 1.0


def flips(first: Answers, second: Answers) -> Flips:
    """Return how two networks differ on the same images."""
    one, other = first.hits, second.hits
    return Flips(
        int((one & other).sum()),
        int((one & ~other).sum()),
        int((~one & other).sum()),
        int((~one & ~other).sum()),
    )
