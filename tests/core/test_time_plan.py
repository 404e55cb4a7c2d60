"""The share of a run that is done never falls, whatever totals it heads for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.core.errors import ConfigError
from trainer.core.time_plan import UNPLANNED, TimePlan, next_total


@pytest.mark.slow
@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=60))
def test_the_share_that_is_done_never_falls(wanted: list[int]) -> None:
    total, before = UNPLANNED, 0.0
    for step, heading in enumerate(wanted, 1):
        total = next_total(step, total, heading)
        assert total >= step
        share = step / total
        assert share >= before
        assert total <= max(heading, step)
        before = share
        if step == total:
            break


def test_a_total_falls_at_once_and_grows_as_fast_as_the_steps() -> None:
    assert next_total(4, UNPLANNED, 500) == 500  # the first plan
    assert next_total(10, 500, 40) == 40
    assert next_total(10, 40, 5) == 10  # never behind the steps done
    assert next_total(11, 40, 400) == 44  # 10 of 40 is 11 of 44
    assert next_total(12, 44, 400) == 48
    assert next_total(12, 44, 45) == 45


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**6)), min_size=1, max_size=9),
)
def test_a_plan_is_read_as_it_is_written(pairs: list[tuple[int, int]]) -> None:
    marks = tuple((step, step + more) for step, more in sorted(dict(pairs).items()))
    plan = TimePlan(marks)
    assert TimePlan.parse(str(plan), "time_plan") == plan
    assert plan.total == marks[-1][1]


@pytest.mark.parametrize(
    "text", ["", "4", 4, None, "4:", "4:3", "0:3", "4:5 4:6", "5:6 4:9", "4:5,6:7", "1:1000000000"]
)
def test_what_is_no_plan_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match="time_plan is what a run with max_time recorded"):
        TimePlan.parse(text, "time_plan")
