"""Step decay drops where StepLR does."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import StepLR

from tests.scheduler.trace import factors, span, torch_factors
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.scheduler.step import Step


def test_by_hand() -> None:
    step = Step(step_size=span("2st"), gamma=0.5)
    assert factors(step, 6) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_a_floor_stops_the_fall() -> None:
    step = Step(step_size=span("1st"), gamma=0.5)
    got = factors(step, 4, min_lr="20%")
    assert got == [1.0, 0.5, 0.25, 0.2, 0.2]


@pytest.mark.slow
def test_parity_with_torch_over_10000_steps() -> None:
    got = factors(Step(step_size=span("700st"), gamma=0.37), 9_999)
    assert got == pytest.approx(
        torch_factors(partial(StepLR, step_size=700, gamma=0.37), 10_000), rel=1e-9, abs=0
    )


@pytest.mark.slow
def test_parity_with_torch_stepped_once_an_epoch() -> None:
    step = Step(step_size=span("3ep"), gamma=0.7)
    got = factors(step, 10_000, 100, every="1ep")
    per_epoch = torch_factors(partial(StepLR, step_size=3, gamma=0.7), 100)
    expected = [per_epoch[t // 100] for t in range(10_000)]
    assert got[:-1] == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.mark.slow
@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 10))
def test_a_tenth_of_the_run_drops_ten_times_whatever_the_length(steps: int, epochs: int) -> None:
    total = steps * epochs
    if total < 10:
        return
    got = factors(Step(step_size=span("10%"), gamma=0.5), total, steps)
    assert got[-1] == 0.5**10  # also where a tenth is not a whole number of steps
    assert all(a >= b for a, b in itertools.pairwise(got))


def test_a_drop_that_falls_on_a_whole_step_is_not_late_by_a_rounding_error() -> None:
    # 0.3% of 360 steps is 1.08 steps; 125 of them are 135 steps, but 135 / 1.08 is below 125
    got = factors(Step(step_size=span("0.3%"), gamma=0.9), 360)
    assert got[135] == 0.9**125


@pytest.mark.parametrize("gamma", [0.0, -0.1, 1.5])
def test_gamma_outside_its_range_is_refused(gamma: float) -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.gamma must be in \(0, 1\]"):
        build(Step, {"gamma": gamma}, "scheduler")


def test_a_period_of_less_than_a_step_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.step_size=1% is less than one step"):
        factors(Step(step_size=span("1%")), 10)


def test_a_bare_number_is_refused_with_the_spellings() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.step_size=30ep.*=30st.*=30%"):
        build(Step, {"step_size": 30}, "scheduler")
