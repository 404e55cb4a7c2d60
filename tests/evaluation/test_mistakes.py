"""What is kept of an evaluation is that of all its images, whatever the batches and processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.evaluation.test_chosen import Several
from tests.evaluation.test_scores import answers_of
from trainer.data import Batch
from trainer.evaluation.mistakes import MOST, Errors
from trainer.evaluation.scores import (
    Answers,
    balanced,
    calibration_error,
    class_scores,
    confusion,
    reliability,
)

K = 6


def seen(answers: Answers, images: torch.Tensor, size: int) -> Errors:
    errors = Errors.none(K)
    logits, labels = torch.tensor(answers.probabilities).log(), torch.tensor(answers.labels)
    for start in range(0, len(labels), size):
        part = slice(start, start + size)
        errors.look(Batch(images[part], labels[part], K), logits[part])
    return errors


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("cut", [0, 60, 150])
def test_batches_and_processes_add_up(ties: bool, cut: int) -> None:
    answers = answers_of(5, 150, K, ties=ties)
    images = torch.arange(150, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    parts = [
        seen(Answers(answers.probabilities[p], answers.labels[p]), images[p], 32)
        for p in (slice(0, cut), slice(cut, 150))
    ]
    errors = parts[0].gathered(Several(parts[1:]))
    counts = confusion(answers)
    assert (errors.counts == counts).all()
    assert (errors.counts == seen(answers, images, 150).counts).all()
    assert parts[0].counts.sum() == cut, "gathering leaves the parts as they are"
    found = errors.plain(tuple("abcdef"), "final")
    assert found["calibration_error"] == pytest.approx(
        calibration_error(reliability(answers)), rel=1e-12
    )
    assert found["balanced"] == balanced(class_scores(counts))
    recalls = [row["recall"] for row in found["worst"]]
    assert recalls == sorted(recalls)
    assert {row["class"] for row in found["worst"]} == set("abcde"), "one class has no image"
    assert found["confused"][0]["images"] == (counts - np.diag(counts.diagonal())).max()
    wrong = np.flatnonzero(~answers.hits)
    most = np.sort(answers.confidences[wrong])[::-1][:MOST]
    assert [m.confidence for m in errors.mistakes] == pytest.approx(most.tolist())
    for mistake in errors.mistakes:
        place = int(mistake.pixels[0, 0, 0])
        assert (mistake.label, mistake.guess) == (answers.labels[place], answers.guesses[place])


def test_answers_that_are_no_numbers_are_not_counted() -> None:
    errors = Errors.none(K)
    errors.look(
        Batch(torch.zeros(2, 1, 2, 2), torch.zeros(2, dtype=torch.int64), K),
        torch.full((2, K), torch.nan),
    )
    assert not errors.counts.any()
