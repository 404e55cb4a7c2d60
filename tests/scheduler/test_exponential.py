"""Exponential decay falls as ExponentialLR does."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ExponentialLR

from tests.scheduler.trace import factors, schedule, span, torch_factors
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.scheduler.exponential import Exponential


def test_by_hand() -> None:
    got = factors(Exponential(gamma=0.25, period=span("2st")), 4)
    assert got == [1.0, 0.5, 0.25, 0.125, 0.0625]


def test_a_floor_stops_the_fall() -> None:
    got = factors(Exponential(0.5, span("1st")), 3, min_lr=0.12)  # 0.4 of the peak
    assert got == pytest.approx([1.0, 0.5, 0.4, 0.4], rel=1e-15)


@pytest.mark.slow
def test_parity_with_torch_over_10000_steps() -> None:
    got = factors(Exponential(0.9993, span("1st")), 9_999)
    assert got == pytest.approx(
        torch_factors(partial(ExponentialLR, gamma=0.9993), 10_000), rel=1e-9, abs=0
    )


@pytest.mark.slow
def test_parity_with_torch_stepped_once_an_epoch() -> None:
    part = Exponential(0.93, span("1ep"))
    got = factors(part, 10_000, 100, every="1ep")
    per_epoch = torch_factors(partial(ExponentialLR, gamma=0.93), 100)
    expected = [per_epoch[t // 100] for t in range(10_000)]
    assert got[:-1] == pytest.approx(expected, rel=1e-9, abs=0)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(2, 3_000), st.floats(0.01, 1.0))
def test_half_the_run_as_period_ends_at_gamma_squared_whatever_the_length(total, gamma) -> None:
    part = Exponential(gamma, span("50%"))
    made = schedule(part, total, 7)
    assert made(Clock(total, total, 7)).lr_scale == pytest.approx(gamma**2, rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, -1.0, 1.01])
def test_gamma_outside_its_range_is_refused(gamma: float) -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.gamma must be in \(0, 1\]"):
        build(Exponential, {"gamma": gamma}, "scheduler")


def test_a_period_of_less_than_a_step_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.period=1% is less than one step"):
        factors(Exponential(period=span("1%")), 10)
