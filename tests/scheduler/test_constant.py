"""A constant schedule is one everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.duration import Clock
from trainer.errors import ConfigError
from trainer.registry import Choice
from trainer.scheduler.base import Floor, Point, Schedule, SchedulerKeys
from trainer.scheduler.constant import Constant


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(1, 10_000), st.integers(1, 400), st.data())
def test_the_factor_is_one_at_every_step_and_after_the_last(total, windows_per_epoch, data) -> None:
    window = data.draw(st.integers(0, total))
    choice = Choice("constant", SchedulerKeys(), Constant())
    schedule = Schedule(choice, peak=0.1, total=total, windows_per_epoch=windows_per_epoch)
    assert schedule(Clock(window, total, windows_per_epoch)) == Point(1.0, None)


@pytest.mark.parametrize("floor", [Floor(0.001), Floor(1.0, is_share=True)])
def test_a_floor_is_refused_since_it_has_no_effect(floor: Floor) -> None:
    choice = Choice("constant", SchedulerKeys(min_lr=floor), Constant())
    with pytest.raises(ConfigError, match=r"scheduler\.min_lr has no effect"):
        Schedule(choice, peak=0.1, total=10, windows_per_epoch=5)
