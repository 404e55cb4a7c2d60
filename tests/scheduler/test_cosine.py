"""Cosine annealing follows CosineAnnealingLR and ends at its floor."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.duration import Clock, Duration
from trainer.errors import ConfigError
from trainer.registry import Choice
from trainer.scheduler.base import Floor, Schedule, SchedulerKeys
from trainer.scheduler.cosine import Cosine

PEAK = 0.3


def factors(total: int, windows_per_epoch: int = 1, **keys) -> list[float]:
    """The factors of steps 0 to `total`, the last being what is left after the run."""
    choice = Choice("cosine", SchedulerKeys(**keys), Cosine())
    schedule = Schedule(choice, peak=PEAK, total=total, windows_per_epoch=windows_per_epoch)
    return [schedule(Clock(t, total, windows_per_epoch)).lr_scale for t in range(total + 1)]


def torch_factors(span: int, eta_min: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=PEAK)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, span, eta_min)
    values = []
    for _ in range(span + 1):
        values.append(scheduler.get_last_lr()[0] / PEAK)
        optimizer.step()
        scheduler.step()
    return values


def test_by_hand() -> None:
    half = math.sqrt(0.5)
    expected = [1.0, (1 + half) / 2, 0.5, (1 - half) / 2, 0.0]
    assert factors(4) == pytest.approx(expected, abs=1e-15)


def test_the_formula_of_the_text_between_two_rates() -> None:
    low = 0.1 * PEAK  # eta_min + (eta_max - eta_min) (1 + cos(pi T_current / T)) / 2
    got = [PEAK * f for f in factors(50, min_lr=Floor(low))]
    expected = [low + 0.5 * (PEAK - low) * (1 + math.cos(t / 50 * math.pi)) for t in range(51)]
    assert got == pytest.approx(expected, rel=1e-12)


def test_parity_with_torch_over_10000_steps() -> None:
    expected = torch_factors(10_000, 0.01 * PEAK)
    got = factors(10_000, min_lr=Floor(1.0, is_share=True))
    assert got == pytest.approx(expected, rel=1e-9, abs=0)


def test_parity_with_torch_stepped_once_an_epoch() -> None:
    per_epoch = torch_factors(100, 0.02 * PEAK)
    every = Duration(1, "ep")
    got = factors(10_000, windows_per_epoch=100, every=every, min_lr=Floor(2.0, is_share=True))
    assert got == pytest.approx([per_epoch[t // 100] for t in range(10_001)], rel=1e-9, abs=0)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(1, 500), st.integers(1, 400), st.floats(0.0, 100.0), st.booleans())
def test_it_never_rises_and_ends_at_its_floor(total, windows_per_epoch, percent, by_epoch) -> None:
    every = Duration(1, "ep" if by_epoch and total % windows_per_epoch == 0 else "st")
    got = factors(total, windows_per_epoch, min_lr=Floor(percent, is_share=True), every=every)
    assert got[0] == 1.0
    assert got[-1] == pytest.approx(percent / 100, abs=1e-15)
    assert all(a >= b - 1e-15 for a, b in itertools.pairwise(got))


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(1, 200))
def test_it_is_symmetric_about_the_middle(total: int) -> None:
    got = factors(total)
    assert [a + b for a, b in zip(got, reversed(got), strict=True)] == pytest.approx(
        [1.0] * (total + 1), abs=1e-12
    )


def test_a_floor_above_the_peak_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"scheduler\.min_lr=0\.5 is above the peak optim\.lr=0.3"
    ):
        factors(10, min_lr=Floor(0.5))
