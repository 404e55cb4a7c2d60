"""When snapshots are taken."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.average.base import AverageKeys, SnapshotPlan
from trainer.core.clock import Clock
from trainer.core.errors import ConfigError
from trainer.core.units import Duration

RUN = Clock(0, 100, 10)


def keys(start: str, every: str) -> AverageKeys:
    return AverageKeys(Duration.parse(start, "start"), Duration.parse(every, "every"))


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(0, 50), st.integers(1, 50))
def test_the_first_snapshot_is_one_interval_after_the_start(start, every) -> None:
    due = [t for t in range(200) if SnapshotPlan(start, every).is_due(t)]
    assert due == list(range(start + every, 200, every))


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(-1, 50), st.integers(1, 50), st.integers(0, 60))
def test_snapshots_are_in_time_with_the_anchor(start, every, anchor) -> None:
    plan = SnapshotPlan(start, every, anchor)
    due = [t for t in range(200) if plan.is_due(t)]
    assert due == [t for t in range(200) if t > start and (t - anchor) % every == 0]
    assert plan.first == due[0]


def test_durations_become_steps() -> None:
    assert SnapshotPlan.of(keys("75%", "1ep"), RUN) == SnapshotPlan(75, 10)
    assert SnapshotPlan.of(keys("2.5ep", "3st"), RUN) == SnapshotPlan(25, 3)


@pytest.mark.parametrize(
    ("start", "every", "message"),
    [
        ("95%", "1ep", r"average\.start=95%.*every=1ep.*after step 105, but the run has 100"),
        ("0ep", "0.01ep", r"average\.every=0\.01ep is less than one step; the least is 1st"),
        ("0ep", "0st", r"average\.every=0st is less than one step"),
    ],
)
def test_a_plan_that_takes_no_snapshot_is_refused(start, every, message) -> None:
    with pytest.raises(ConfigError, match=message):
        SnapshotPlan.of(keys(start, every), RUN)


def test_the_last_step_may_be_the_only_snapshot() -> None:
    assert SnapshotPlan.of(keys("90%", "1ep"), RUN).first == 100
