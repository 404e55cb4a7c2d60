"""The triangle wave is the text's (its formula repaired) and CyclicLR's, momentum included."""

from __future__ import annotations

import math
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CyclicLR

from tests.scheduler.trace import PEAK, factors, momenta, points, scales, span, torch_points
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.scheduler.cyclic import Cyclic

torch_cyclic = partial(CyclicLR, base_lr=0.03, max_lr=PEAK, base_momentum=0.8, max_momentum=0.95)
MODES = [("triangular", 1.0), ("triangular2", 1.0), ("exp_range", 0.9997)]


def test_by_hand() -> None:
    got = factors(Cyclic(step_size=span("2st")), 8)
    assert got == [0.0, 0.5, 1.0, 0.5, 0.0, 0.5, 1.0, 0.5, 0.0]


def test_the_way_down_may_have_a_length_of_its_own() -> None:
    got = factors(Cyclic(step_size=span("1st"), step_size_down=span("4st")), 10)
    assert got == pytest.approx([0.0, 1.0, 0.75, 0.5, 0.25] * 2 + [0.0])


def test_the_repaired_formula_of_the_text() -> None:
    low, half = 0.06, 10
    got = factors(Cyclic(step_size=span("10st")), 100, min_lr=low)
    for t in range(101):
        cycle = math.floor(1 + t / (2 * half))  # the scan lost the fraction bar and the bars of |x|
        x = abs(t / half - 2 * cycle + 1)
        assert got[t] * PEAK == pytest.approx(low + (PEAK - low) * max(0, 1 - x), rel=1e-12)


@pytest.mark.parametrize("down", [None, 120])
@pytest.mark.parametrize(("mode", "gamma"), MODES)
@pytest.mark.slow
def test_parity_with_torch_over_10000_steps_momentum_included(mode, gamma, down) -> None:
    shorter = None if down is None else span(f"{down}st")
    part = Cyclic(span("370st"), shorter, mode, gamma, base_momentum=0.8, max_momentum=0.95)
    got = points(part, 9_999, min_lr=0.03)
    make = partial(torch_cyclic, step_size_up=370, step_size_down=down, mode=mode, gamma=gamma)
    expected = torch_points(make, 10_000)
    assert scales(got) == pytest.approx(scales(expected), rel=1e-9)
    assert momenta(got) == pytest.approx(momenta(expected), rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "gamma"), [*MODES[:2], ("exp_range", 0.9)])
def test_parity_with_torch_stepped_once_an_epoch(mode: str, gamma: float) -> None:
    part = Cyclic(span("7ep"), None, mode, gamma, base_momentum=0.8, max_momentum=0.95)
    got = points(part, 10_000, 100, every="1ep", min_lr=0.03)
    per_epoch = torch_points(partial(torch_cyclic, step_size_up=7, mode=mode, gamma=gamma), 101)
    expected = [per_epoch[t // 100] for t in range(10_001)]
    assert scales(got) == pytest.approx(scales(expected), rel=1e-9, abs=0)
    assert momenta(got) == pytest.approx(momenta(expected), rel=1e-9, abs=0)


@pytest.mark.slow
@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(4, 400), st.sampled_from(["triangular", "triangular2", "exp_range"]))
def test_two_cycles_end_at_the_floor_whatever_the_length_of_the_run(total: int, mode: str) -> None:
    gamma = 0.99 if mode == "exp_range" else 1.0
    part = Cyclic(span("25%"), None, mode, gamma, base_momentum=0.5, max_momentum=0.9)
    got = points(part, total, min_lr="10%")
    assert got[-1].lr_scale == pytest.approx(0.1, abs=1e-12)
    assert all(0.1 - 1e-12 <= p.lr_scale <= 1.0 + 1e-12 for p in got)
    for p in got:  # momentum moves against the lr, from 0.9 at the floor to 0.5 at the peak
        assert p.momentum == pytest.approx(0.9 - 0.4 * (p.lr_scale - 0.1) / 0.9, abs=1e-12)


def test_halving_goes_on_beyond_a_thousand_cycles() -> None:
    got = factors(Cyclic(span("1st"), None, "triangular2"), 5_000)
    assert got[1] == 1.0
    assert got[3] == 0.5
    assert got[-2] == 0.0  # far below the least float


def test_momentum_is_left_alone_unless_asked_for() -> None:
    assert points(Cyclic(), 8)[3].momentum is None
    assert Cyclic().momentum_key is None
    assert Cyclic(base_momentum=0.8, max_momentum=0.9).momentum_key == "scheduler.base_momentum"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "saw"}, r"scheduler\.mode"),
        ({"gamma": 0.0, "mode": "exp_range"}, r"scheduler\.gamma must be in \(0, 1\]"),
        ({"gamma": 0.9}, r"scheduler\.gamma=0\.9 has no effect on mode=triangular"),
        ({"base_momentum": 0.8}, r"scheduler\.base_momentum and scheduler\.max_momentum"),
        (
            {"base_momentum": 0.8, "max_momentum": 1.0},
            r"scheduler\.max_momentum must be in \(0, 1\)",
        ),
        (
            {"base_momentum": 0.0, "max_momentum": 0.9},
            r"scheduler\.base_momentum must be in \(0, 1\)",
        ),
        ({"base_momentum": 0.9, "max_momentum": 0.8}, r"scheduler\.base_momentum=0\.9 must not be"),
        ({"step_size": 25}, r"scheduler\.step_size=25ep"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Cyclic, values, "scheduler")


def test_a_half_cycle_of_less_than_a_step_is_refused_before_training() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.step_size=25% is less than one step"):
        points(Cyclic(), 1)
    with pytest.raises(ConfigError, match=r"scheduler\.step_size_down=1% is less than one step"):
        points(Cyclic(step_size_down=span("1%")), 10)
