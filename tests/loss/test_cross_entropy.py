"""Cross entropy is torch's, for labels and soft targets, smoothed or not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.data.base import Batch
from trainer.loss.base import LOSSES
from trainer.loss.cross_entropy import CrossEntropy


def batch_of(labels: list[int], num_classes: int, targets: torch.Tensor | None = None) -> Batch:
    count = len(labels)
    return Batch(torch.zeros(count, 1, 1, 1), torch.tensor(labels), num_classes, targets)


def logits_of(count: int, num_classes: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, num_classes, generator=generator, dtype=torch.float64) * 3


def reference(logits: torch.Tensor, targets: np.ndarray, smoothing: float) -> float:
    """Mean over the images of -sum_k q_k log p_k with q smoothed towards uniform."""
    x = logits.double().numpy()
    log_p = x - x.max(1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
    q = targets * (1 - smoothing) + smoothing / x.shape[1]
    return float(-(q * log_p).sum(1).mean())


def test_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]], dtype=torch.float64)
    got = CrossEntropy()(logits, batch_of([0, 0], 2))
    assert float(got) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2, rel=1e-14)
    assert got.shape == ()


def test_smoothing_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0]], dtype=torch.float64)  # p = 3/4, 1/4
    got = CrossEntropy(0.2)(logits, batch_of([0], 2))  # q = 0.9, 0.1
    assert float(got) == pytest.approx(0.9 * math.log(4 / 3) + 0.1 * math.log(4), rel=1e-14)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(1, 9), st.floats(0.0, 0.99), st.integers(0, 500))
def test_labels_agree_with_torch_and_the_formula(num_classes, count, smoothing, seed) -> None:
    logits = logits_of(count, num_classes, seed)
    labels = [(seed + 3 * i) % num_classes for i in range(count)]
    got = CrossEntropy(smoothing)(logits, batch_of(labels, num_classes))
    oracle = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)(logits, torch.tensor(labels))
    one_hot = np.eye(num_classes)[labels]
    assert float(got) == float(oracle)
    assert float(got) == pytest.approx(reference(logits, one_hot, smoothing), rel=1e-10)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(1, 9), st.floats(0.0, 0.99), st.integers(0, 500))
def test_soft_targets_are_smoothed_like_labels(num_classes, count, smoothing, seed) -> None:
    logits = logits_of(count, num_classes, seed)
    targets = logits_of(count, num_classes, seed + 1).softmax(1)
    got = CrossEntropy(smoothing)(logits, batch_of([0] * count, num_classes, targets))
    expected = reference(logits, targets.numpy(), smoothing)
    assert float(got) == pytest.approx(expected, rel=1e-10)


def test_one_hot_targets_give_what_labels_give() -> None:
    logits, labels = logits_of(6, 4), [0, 1, 2, 3, 0, 1]
    targets = F.one_hot(torch.tensor(labels), 4).double()
    for smoothing in (0.0, 0.1):
        loss = CrossEntropy(smoothing)
        hard, soft = loss(logits, batch_of(labels, 4)), loss(logits, batch_of([3] * 6, 4, targets))
        assert float(soft) == pytest.approx(float(hard), rel=1e-13)


def test_low_precision_logits_are_widened_first() -> None:
    logits = logits_of(4, 5).bfloat16()
    got = CrossEntropy()(logits, batch_of([0, 1, 2, 3], 5))
    assert got.dtype == torch.float32
    assert torch.equal(got, F.cross_entropy(logits.float(), torch.arange(4)))
    assert CrossEntropy()(logits_of(4, 5), batch_of([0, 1, 2, 3], 5)).dtype == torch.float64


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, 2])
def test_a_smoothing_outside_its_range_is_refused(smoothing: float) -> None:
    with pytest.raises(ConfigError, match=r"loss\.label_smoothing must be in \[0, 1\)"):
        build(CrossEntropy, {"label_smoothing": smoothing}, "loss")


def test_the_name_loads_the_class() -> None:
    assert LOSSES.load("cross_entropy") is CrossEntropy


def test_it_keeps_nothing_and_builds_itself() -> None:
    loss = CrossEntropy(0.1)
    assert loss.build(None) is loss
