"""Mixup blends images and targets with one lambda of the step and partners of the micro-batch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from trainer.convert import build
from trainer.data.base import Batch
from trainer.duration import Clock
from trainer.errors import ConfigError
from trainer.loss.cross_entropy import CrossEntropy
from trainer.mix import mixup as module
from trainer.mix.base import MIXES
from trainer.mix.mixup import Mixup
from trainer.mix.none import NoMix

CLOCK = Clock(window=3, total=100, windows_per_epoch=10, seed=5)


def make_batch(count: int = 16, dtype: torch.dtype = torch.float64, start: int = 0) -> Batch:
    """Images whose every pixel tells which example it is; labels all different."""
    generator = torch.Generator().manual_seed(start)
    images = torch.randn(count, 2, 3, 3, generator=generator, dtype=dtype)
    return Batch(images, torch.arange(count), count, start=start, window_size=count)


def read_lambda(batch: Batch) -> float:
    """Lambda, from the mass that mixed examples kept on their own (distinct) labels."""
    assert batch.targets is not None
    return float(batch.targets.diagonal().min())


def read_partners(batch: Batch) -> torch.Tensor:
    """The place of each example's partner, from targets with distinct labels."""
    assert batch.targets is not None
    rest = batch.targets - read_lambda(batch) * torch.eye(len(batch.labels), dtype=torch.float64)
    return rest.argmax(1)


def test_two_examples_by_hand() -> None:
    images = torch.tensor([0.0, 10.0], dtype=torch.float64).view(2, 1, 1, 1)
    batch = Batch(images, torch.tensor([0, 1]), 2, window_size=2)
    clocks = [CLOCK.at(t) for t in range(10)]
    mixed = next(m for m in (Mixup(1.0)(batch, c) for c in clocks) if m.images[0] != 0.0)
    lam = 1 - float(mixed.images[0]) / 10  # the first became (1 - lambda) * 10
    assert 0.0 < lam < 1.0
    assert mixed.images.flatten().tolist() == pytest.approx([10 - 10 * lam, 10 * lam], rel=1e-12)
    assert mixed.targets is not None
    assert mixed.targets.tolist() == [
        pytest.approx([lam, 1 - lam], rel=1e-12),
        pytest.approx([1 - lam, lam], rel=1e-12),
    ]


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(2, 40), st.floats(0.01, 50.0), st.integers(0, 10_000), st.integers(0, 99))
def test_images_and_targets_share_lambda_and_pairing(count, alpha, seed, window) -> None:
    batch = make_batch(count)
    mixed = Mixup(alpha)(batch, Clock(window, 100, 10, seed=seed))
    lam, other = read_lambda(mixed), read_partners(mixed)
    assert 0.0 <= lam <= 1.0
    expected = lam * batch.images + (1 - lam) * batch.images[other]
    torch.testing.assert_close(mixed.images, expected, rtol=1e-9, atol=1e-9)
    if 0.0 < lam < 1.0 and lam != 0.5:
        assert sorted(other.tolist()) == list(range(count))  # a permutation: each is used once


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(2, 40), st.floats(0.01, 50.0), st.integers(0, 10_000))
def test_targets_are_probabilities_that_sum_to_one(count, alpha, seed) -> None:
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-14)):
        mixed = Mixup(alpha)(make_batch(count, dtype), Clock(0, 9, 9, seed=seed))
        assert mixed.targets is not None
        assert mixed.targets.dtype == dtype
        assert bool((mixed.targets >= 0).all())
        assert float((mixed.targets.sum(1) - 1).abs().max()) <= tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_the_loss_is_the_lambda_combination_of_hard_label_losses(dtype, tolerance) -> None:
    batch = make_batch(12, dtype)
    mixed = Mixup(1.0)(batch, CLOCK)
    double = Mixup(1.0)(make_batch(12, torch.float64), CLOCK)
    lam, other = read_lambda(double), read_partners(double)
    logits = torch.randn(12, 12, generator=torch.Generator().manual_seed(1), dtype=dtype) * 3
    own = F.cross_entropy(logits, batch.labels)
    others = F.cross_entropy(logits, batch.labels[other])
    expected = lam * own + (1 - lam) * others
    assert float(CrossEntropy()(logits, mixed)) == pytest.approx(float(expected), rel=tolerance)


def cdf_one(x: np.ndarray) -> np.ndarray:
    return x


def cdf_half(x: np.ndarray) -> np.ndarray:
    return 2 / math.pi * np.arcsin(np.sqrt(x))


def cdf_two(x: np.ndarray) -> np.ndarray:
    return 3 * x**2 - 2 * x**3


@pytest.mark.parametrize(("alpha", "cdf"), [(1.0, cdf_one), (0.5, cdf_half), (2.0, cdf_two)])
def test_lambda_follows_the_beta_distribution(
    alpha: float, cdf: Callable[[np.ndarray], np.ndarray]
) -> None:
    count, batch, mixup = 1_000, make_batch(8), Mixup(alpha)
    draws = [read_lambda(mixup(batch, Clock(t, count, 10, seed=0))) for t in range(count)]
    values = cdf(np.sort(draws))
    steps = np.arange(count + 1) / count
    distance = max((steps[1:] - values).max(), (values - steps[:-1]).max())
    assert distance < 1.63 / math.sqrt(count)  # Kolmogorov and Smirnov's bound at 1%


def test_alpha_zero_is_no_mixing_bit_for_bit() -> None:
    batch = make_batch()
    assert Mixup(0.0)(batch, CLOCK) is NoMix()(batch, CLOCK)


def test_a_large_alpha_mixes_by_halves() -> None:
    assert read_lambda(Mixup(1e8)(make_batch(), CLOCK)) == pytest.approx(0.5, abs=1e-3)


def test_lambda_is_that_of_the_step_for_every_micro_batch_and_any_number_of_processes() -> None:
    mixup = Mixup(1.0)
    whole = read_lambda(mixup(make_batch(16), CLOCK))
    parts = [replace(make_batch(8, start=start), window_size=16) for start in (0, 8)]
    assert [read_lambda(mixup(part, CLOCK)) for part in parts] == [whole, whole]
    assert read_lambda(mixup(make_batch(16), CLOCK.at(4))) != whole


def test_partners_differ_between_micro_batches_and_steps() -> None:
    mixup = Mixup(1.0)
    first = read_partners(mixup(make_batch(16), CLOCK)).tolist()
    second = read_partners(mixup(replace(make_batch(16), start=16), CLOCK)).tolist()
    later = read_partners(mixup(make_batch(16), CLOCK.at(4))).tolist()
    assert first != second
    assert first != later


def test_the_same_step_is_mixed_the_same_way_again() -> None:
    first, second = (Mixup(0.4)(make_batch(), CLOCK) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert first.targets is not None
    assert second.targets is not None
    assert torch.equal(first.targets, second.targets)


def test_the_global_generators_are_not_touched() -> None:
    before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
    Mixup(1.0)(make_batch(), CLOCK)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], before_numpy)


def test_the_batch_that_came_in_is_not_changed() -> None:
    batch = replace(make_batch(), targets=torch.full((16, 16), 1 / 16, dtype=torch.float64))
    images, targets = batch.images.clone(), torch.full((16, 16), 1 / 16, dtype=torch.float64)
    mixed = Mixup(1.0)(batch, CLOCK)
    assert torch.equal(batch.images, images)
    assert batch.targets is not None
    assert torch.equal(batch.targets, targets)
    assert torch.equal(batch.labels, mixed.labels)


def test_parity_with_torchvision_given_its_lambda_and_pairing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "partners", lambda batch, clock: torch.arange(16).roll(1))
    batch = make_batch(16)
    mixed = Mixup(1.0)(batch, CLOCK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = v2.MixUp(alpha=1.0, num_classes=16)
    lam = torch.tensor(read_lambda(mixed), dtype=torch.float64)
    oracle._dist = SimpleNamespace(sample=lambda shape: lam)
    images, targets = oracle(batch.images, batch.labels)
    torch.testing.assert_close(mixed.images, images, rtol=1e-12, atol=1e-12)
    assert mixed.targets is not None
    torch.testing.assert_close(mixed.targets, targets.double(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": -0.1}, r"mix\.alpha must be 0 or more"),
        ({"alpha": "one"}, r"mix\.alpha must be a number, got 'one'"),
        ({"alhpa": 1.0}, r"mix\.alhpa.*did you mean 'mix\.alpha'"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Mixup, values, "mix")


def test_the_name_loads_the_class() -> None:
    assert MIXES.load("mixup") is Mixup
