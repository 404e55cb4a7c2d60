"""A constant schedule is one everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scheduler.trace import points
from trainer.core.errors import ConfigError
from trainer.scheduler.base import Point
from trainer.scheduler.constant import Constant


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 40))
def test_the_factor_is_one_at_every_step_and_after_the_last(total, steps_per_epoch) -> None:
    assert set(points(Constant(), total, steps_per_epoch)) == {Point(1.0, None)}


@pytest.mark.parametrize("floor", ["0.001", "1%"])
def test_a_floor_is_refused_since_it_has_no_effect(floor: str) -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.min_lr has no effect"):
        points(Constant(), 10, 5, min_lr=floor)


def test_another_pace_is_refused_since_nothing_moves() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.every has no effect.*1st"):
        points(Constant(), 10, 5, every="1ep")
    assert points(Constant(), 3, 1, every="1ep") == points(Constant(), 3, 1)
