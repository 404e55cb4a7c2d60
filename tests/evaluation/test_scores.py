"""Scores of classes, calibration and flips, held against scikit-learn, torchmetrics and scipy."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.evaluation.scores import (
    Answers,
    balanced,
    calibration_error,
    class_scores,
    confused_pairs,
    confusion,
    flips,
    reliability,
)


def answers_of(seed: int, images: int, classes: int, *, ties: bool = False) -> Answers:
    """Return random answers; the last class has no image, and with `ties` many are equal."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0.0, 1.5, (images, classes))
    if ties:
        logits = np.round(logits)
    probabilities = torch.tensor(logits).softmax(1).numpy()
    return Answers(probabilities, draw.integers(0, max(classes - 1, 1), images))


@pytest.mark.parametrize("ties", [False, True])
def test_confusions_and_scores_of_classes_are_scikit_learn_s(ties: bool) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    answers = answers_of(3, 200, 6, ties=ties)
    labels, guesses = answers.labels, answers.guesses
    counts = confusion(answers)
    assert (counts == metrics.confusion_matrix(labels, guesses, labels=range(6))).all()
    rows = class_scores(counts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, f1, images = metrics.precision_recall_fscore_support(
            labels, guesses, labels=range(6), zero_division=0.0
        )
        assert balanced(rows) == pytest.approx(metrics.balanced_accuracy_score(labels, guesses))
    assert [row.images for row in rows] == images.tolist()
    assert [row.recall or 0.0 for row in rows] == pytest.approx(recall.tolist())
    assert [row.precision or 0.0 for row in rows] == pytest.approx(precision.tolist())
    assert [row.f1 or 0.0 for row in rows] == pytest.approx(f1.tolist())
    assert rows[5].recall is None, "a class without images has no recall"


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 7), st.booleans())
def test_the_calibration_error_is_torchmetrics_s(
    seed: int, images: int, classes: int, ties: bool
) -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    answers = answers_of(seed, images, classes, ties=ties)
    # in bins that no confidence lies at the edge of: the paper's own belong to the bin below
    bins = next(b for b in range(15, 99) if not np.isclose(answers.confidences * b % 1, 0).any())
    expected = functional.multiclass_calibration_error(
        torch.tensor(answers.probabilities),
        torch.tensor(answers.labels),
        num_classes=classes,
        n_bins=bins,
    )
    assert calibration_error(reliability(answers, bins)) == pytest.approx(float(expected), abs=1e-6)


def test_full_confidence_belongs_to_the_last_bin() -> None:
    answers = Answers(np.array([[1.0, 0.0], [0.95, 0.05]]), np.array([0, 1]))
    (only,) = reliability(answers, 10)
    assert (only.low, only.high, only.images, only.accuracy) == (0.9, 1.0, 2, 0.5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 80))
def test_flips_add_up_and_their_p_is_the_sign_test_s(seed: int, images: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    one, other = answers_of(seed, images, 3), answers_of(seed + 1, images, 3)
    other = Answers(other.probabilities, one.labels)
    found = flips(one, other)
    assert found.both + found.gained + found.lost + found.neither == images
    assert found.both + found.gained == one.hits.sum()
    assert found.both + found.lost == other.hits.sum()
    if n := found.gained + found.lost:
        assert found.p == pytest.approx(stats.binomtest(found.gained, n).pvalue)
    else:
        assert found.p == 1.0


def test_confused_pairs_come_most_frequent_first() -> None:
    counts = np.array([[5, 1, 0], [3, 4, 1], [0, 0, 9]])
    assert confused_pairs(counts) == [(1, 0, 3), (0, 1, 1), (1, 2, 1)]
