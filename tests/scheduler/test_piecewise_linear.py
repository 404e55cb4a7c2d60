"""Straight lines between knots are np.interp's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scheduler.trace import factors, span
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.scheduler.piecewise_linear import PiecewiseLinear

MYRTLE = [["0ep", 0], ["5ep", 1], ["24ep", 0]]


def knots(*pairs: tuple[str, float]) -> PiecewiseLinear:
    return PiecewiseLinear(tuple((span(moment), factor) for moment, factor in pairs))


def test_by_hand_and_constant_before_the_first_and_after_the_last_knot() -> None:
    part = knots(("2st", 0.5), ("4st", 1.0), ("6st", 0.0))
    assert factors(part, 8) == [0.5, 0.5, 0.5, 0.75, 1.0, 0.5, 0.0, 0.0, 0.0]


def test_two_knots_of_one_moment_are_a_jump() -> None:
    part = knots(("0st", 1.0), ("2st", 1.0), ("2st", 0.1), ("4st", 0.1))
    assert factors(part, 4) == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.1])


def test_the_schedule_of_the_post_is_interp_over_epochs() -> None:
    part = build(PiecewiseLinear, {"knots": MYRTLE}, "scheduler")
    got = factors(part, 24 * 98, 98)
    expected = np.interp(np.arange(24 * 98 + 1) / 98, [0, 5, 24], [0.0, 1.0, 0.0])
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_stepped_once_an_epoch() -> None:
    part = build(PiecewiseLinear, {"knots": MYRTLE}, "scheduler")
    per_epoch = np.interp(np.arange(25), [0, 5, 24], [0.0, 1.0, 0.0])
    got = factors(part, 24 * 10, 10, every="1ep")
    assert got == pytest.approx([per_epoch[t // 10] for t in range(241)], rel=1e-9, abs=1e-15)


@pytest.mark.slow
@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(1, 400), st.integers(1, 50), st.floats(0.0, 1.0))
def test_it_ends_at_the_last_knot_s_factor_whatever_the_run(total, per_epoch, last) -> None:
    part = knots(("0%", 0.2), ("33%", 1.0), ("100%", last))
    got = factors(part, total, per_epoch)
    assert got[-1] == last
    assert max(got) <= 1.0


def test_a_floor_cuts_it_off_below() -> None:
    part = knots(("0st", 0.0), ("4st", 1.0))
    assert factors(part, 4, min_lr="30%") == [0.3, 0.3, 0.5, 0.75, 1.0]


def test_warm_up_meets_the_lines_where_it_ends() -> None:
    part = knots(("0st", 0.5), ("4st", 1.0), ("8st", 0.0))
    got = factors(part, 8, warmup="2st")
    assert got == pytest.approx([0.375, 0.75, 0.75, 0.875, 1.0, 0.75, 0.5, 0.25, 0.0])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([["0ep", 1]], r"scheduler\.knots must be at least two knots"),
        ([["0ep", 0], ["5ep", 0.5]], r"scheduler\.knots: .*the greatest is 1.*got 0, 0\.5"),
        ([["0ep", 0], ["5ep", 2]], r"scheduler\.knots: .*the greatest is 1"),
        ([["0ep", -0.1], ["5ep", 1]], r"scheduler\.knots: factors are shares"),
        ([[0, 0], ["5ep", 1]], r"scheduler\.knots\[0\]\[0\]=0ep"),
        ([["0ep", 0, 1], ["5ep", 1]], r"scheduler\.knots\[0\] must be a list"),
        ("0ep", r"scheduler\.knots must be a list"),
    ],
)
def test_bad_knots_are_refused_by_place(value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(PiecewiseLinear, {"knots": value}, "scheduler")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("5st", 0), ("4st", 1)], r"scheduler\.knots\[1\]=4st comes before 5st"),
        ([("0st", 1), ("3ep", 0)], r"scheduler\.knots\[1\]=3ep is step 30, after the run's end"),
        ([("0st", 0), ("3st", 1), ("9st", 0)], r"scheduler\.knots\[1\]=3st .*within the warm-up"),
    ],
)
def test_knots_that_do_not_fit_the_run_are_refused(pairs, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        factors(knots(*pairs), 20, 10, warmup="3st")
