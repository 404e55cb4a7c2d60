"""Cosine annealing follows CosineAnnealingLR and ends at its floor."""

from __future__ import annotations

import itertools
import math
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingLR

from tests.scheduler.trace import PEAK, factors, torch_factors
from trainer.core.errors import ConfigError
from trainer.scheduler.cosine import Cosine


def test_by_hand() -> None:
    half = math.sqrt(0.5)
    expected = [1.0, (1 + half) / 2, 0.5, (1 - half) / 2, 0.0]
    assert factors(Cosine(), 4) == pytest.approx(expected, abs=1e-15)


def test_the_formula_of_the_text_between_two_rates() -> None:
    low = 0.1 * PEAK  # eta_min + (eta_max - eta_min) (1 + cos(pi T_current / T)) / 2
    got = [PEAK * f for f in factors(Cosine(), 50, min_lr=low)]
    expected = [low + 0.5 * (PEAK - low) * (1 + math.cos(t / 50 * math.pi)) for t in range(51)]
    assert got == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
def test_parity_with_torch_over_10000_steps() -> None:
    make = partial(CosineAnnealingLR, T_max=10_000, eta_min=0.01 * PEAK)
    got = factors(Cosine(), 10_000, min_lr="1%")
    assert got == pytest.approx(torch_factors(make, 10_001), rel=1e-9, abs=0)


@pytest.mark.slow
def test_parity_with_torch_stepped_once_an_epoch() -> None:
    per_epoch = torch_factors(partial(CosineAnnealingLR, T_max=100, eta_min=0.02 * PEAK), 101)
    got = factors(Cosine(), 10_000, 100, every="1ep", min_lr="2%")
    assert got == pytest.approx([per_epoch[t // 100] for t in range(10_001)], rel=1e-9, abs=0)


@pytest.mark.slow
@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(1, 500), st.integers(1, 400), st.floats(0.0, 100.0), st.booleans())
def test_it_never_rises_and_ends_at_its_floor(total, steps_per_epoch, percent, by_epoch) -> None:
    every = "1ep" if by_epoch and total % steps_per_epoch == 0 else "1st"
    got = factors(Cosine(), total, steps_per_epoch, min_lr=f"{percent!r}%", every=every)
    assert got[0] == 1.0
    assert got[-1] == pytest.approx(percent / 100, abs=1e-15)
    assert all(a >= b - 1e-15 for a, b in itertools.pairwise(got))


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(1, 200))
def test_it_is_symmetric_about_the_middle(total: int) -> None:
    got = factors(Cosine(), total)
    assert [a + b for a, b in zip(got, reversed(got), strict=True)] == pytest.approx(
        [1.0] * (total + 1), abs=1e-12
    )


def test_a_floor_above_the_peak_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"scheduler\.min_lr=0\.5 is above the peak optim\.lr=0.3"
    ):
        factors(Cosine(), 10, min_lr="0.5")
