"""The triangle wave is the text's (its formula repaired) and CyclicLR's, momentum included."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.convert import build
from trainer.duration import Clock, Duration
from trainer.errors import ConfigError
from trainer.registry import Choice
from trainer.scheduler.base import Floor, Point, Schedule, SchedulerKeys
from trainer.scheduler.cyclic import Cyclic

PEAK = 0.3


def points(part: Cyclic, total: int, windows_per_epoch: int = 1, **keys) -> list[Point]:
    """The points of steps 0 to `total`, the last being what is left after the run."""
    choice = Choice("cyclic", SchedulerKeys(**keys), part)
    schedule = Schedule(choice, peak=PEAK, total=total, windows_per_epoch=windows_per_epoch)
    return [schedule(Clock(t, total, windows_per_epoch)) for t in range(total + 1)]


def factors(part: Cyclic, total: int, windows_per_epoch: int = 1, **keys) -> list[float]:
    return [p.lr_scale for p in points(part, total, windows_per_epoch, **keys)]


def torch_points(half: int, count: int, **settings) -> list[Point]:
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=PEAK, momentum=0.9)
    low = settings.pop("low")
    scheduler = torch.optim.lr_scheduler.CyclicLR(optimizer, low, PEAK, half, **settings)
    values = []
    for _ in range(count):
        group = optimizer.param_groups[0]
        values.append(Point(group["lr"] / PEAK, group["momentum"]))
        optimizer.step()
        scheduler.step()
    return values


def test_by_hand() -> None:
    got = factors(Cyclic(step_size=Duration(2, "st")), 8)
    assert got == [0.0, 0.5, 1.0, 0.5, 0.0, 0.5, 1.0, 0.5, 0.0]


def test_the_repaired_formula_of_the_text() -> None:
    low, half = 0.06, 10
    got = factors(Cyclic(step_size=Duration(half, "st")), 100, min_lr=Floor(low))
    for t in range(101):
        cycle = math.floor(1 + t / (2 * half))  # the scan lost the fraction bar and the bars of |x|
        x = abs(t / half - 2 * cycle + 1)
        assert got[t] * PEAK == pytest.approx(low + (PEAK - low) * max(0, 1 - x), rel=1e-12)


@pytest.mark.parametrize(
    ("mode", "gamma"), [("triangular", 1.0), ("triangular2", 1.0), ("exp_range", 0.9997)]
)
def test_parity_with_torch_over_10000_steps_momentum_included(mode: str, gamma: float) -> None:
    part = Cyclic(Duration(370, "st"), mode, gamma, base_momentum=0.8, max_momentum=0.95)
    got = points(part, 9_999, min_lr=Floor(0.03))
    expected = torch_points(
        370, 10_000, low=0.03, mode=mode, gamma=gamma, base_momentum=0.8, max_momentum=0.95
    )
    assert [p.lr_scale for p in got] == pytest.approx([p.lr_scale for p in expected], rel=1e-9)
    assert [p.momentum for p in got] == pytest.approx([p.momentum for p in expected], rel=1e-9)


@pytest.mark.parametrize("mode", ["triangular", "triangular2"])
def test_parity_with_torch_stepped_once_an_epoch(mode: str) -> None:
    part = Cyclic(Duration(7, "ep"), mode)
    got = factors(part, 10_000, 100, every=Duration(1, "ep"), min_lr=Floor(0.03))
    per_epoch = torch_points(7, 101, low=0.03, mode=mode, cycle_momentum=False)
    expected = [per_epoch[t // 100].lr_scale for t in range(10_001)]
    assert got == pytest.approx(expected, rel=1e-9, abs=0)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(4, 400), st.sampled_from(["triangular", "triangular2", "exp_range"]))
def test_two_cycles_end_at_the_floor_whatever_the_length_of_the_run(total: int, mode: str) -> None:
    gamma = 0.99 if mode == "exp_range" else 1.0
    part = Cyclic(Duration(25, "%"), mode, gamma, base_momentum=0.5, max_momentum=0.9)
    got = points(part, total, min_lr=Floor(10.0, is_share=True))
    assert got[-1].lr_scale == pytest.approx(0.1, abs=1e-12)
    assert all(0.1 - 1e-12 <= p.lr_scale <= 1.0 + 1e-12 for p in got)
    for (
        p
    ) in got:  # momentum moves against the learning rate, from 0.9 at the floor to 0.5 at the peak
        assert p.momentum == pytest.approx(0.9 - 0.4 * (p.lr_scale - 0.1) / 0.9, abs=1e-12)


def test_halving_goes_on_beyond_a_thousand_cycles() -> None:
    got = factors(Cyclic(Duration(1, "st"), "triangular2"), 5_000)
    assert got[1] == 1.0
    assert got[3] == 0.5
    assert got[-2] == 0.0  # far below the least float


def test_momentum_is_left_alone_unless_asked_for() -> None:
    assert points(Cyclic(), 8)[3].momentum is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "saw"}, r"scheduler\.mode"),
        ({"gamma": 0.0, "mode": "exp_range"}, r"scheduler\.gamma must be in \(0, 1\]"),
        ({"gamma": 0.9}, r"scheduler\.gamma=0\.9 has no effect on mode=triangular"),
        ({"base_momentum": 0.8}, r"scheduler\.base_momentum and scheduler\.max_momentum"),
        (
            {"base_momentum": 0.8, "max_momentum": 1.0},
            r"scheduler\.max_momentum must be in \[0, 1\)",
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
