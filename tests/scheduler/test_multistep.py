"""Drops at milestones fall where MultiStepLR's do."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import MultiStepLR

from tests.scheduler.trace import factors, span, torch_factors
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.scheduler.multistep import MultiStep


def at(*milestones: str, gamma: float = 0.5) -> MultiStep:
    return MultiStep(tuple(span(m) for m in milestones), gamma)


def test_by_hand_a_milestone_written_twice_drops_twice_and_order_is_free() -> None:
    assert factors(at("4st", "2st", "4st"), 5) == [1.0, 1.0, 0.5, 0.5, 0.125, 0.125]


def test_a_floor_stops_the_fall() -> None:
    assert factors(at("1st", "2st", "3st"), 4, min_lr="20%") == [1.0, 0.5, 0.25, 0.2, 0.2]


def test_milestones_are_counted_from_the_first_step_warm_up_included() -> None:
    got = factors(at("4st", gamma=0.1), 6, warmup="2st")
    assert got == pytest.approx([0.5, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1])


@pytest.mark.slow
def test_parity_with_torch_over_10000_steps() -> None:
    make = partial(MultiStepLR, milestones=[1, 700, 5000, 5001], gamma=0.37)
    got = factors(at("1st", "700st", "5000st", "5001st", gamma=0.37), 10_000)
    assert got == pytest.approx(torch_factors(make, 10_001), rel=1e-9, abs=0)


def test_parity_with_torch_stepped_once_an_epoch() -> None:
    per_epoch = torch_factors(partial(MultiStepLR, milestones=[3, 50], gamma=0.1), 101)
    got = factors(at("3ep", "50ep", gamma=0.1), 2_000, 20, every="1ep")
    assert got == pytest.approx([per_epoch[t // 20] for t in range(2_001)], rel=1e-9, abs=0)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 50))
def test_shares_of_the_run_all_drop_by_its_end_whatever_its_length(total, per_epoch) -> None:
    assert factors(MultiStep(), total, per_epoch)[-1] == 0.1**3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gamma": 0.0}, r"scheduler\.gamma must be in \(0, 1\]"),
        ({"milestones": []}, r"scheduler\.milestones must name at least one moment"),
        ({"milestones": ["5ep", 7]}, r"scheduler\.milestones\[1\]=7ep"),
        ({"milestones": "5ep"}, r"scheduler\.milestones must be a list"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(MultiStep, values, "scheduler")


@pytest.mark.parametrize(
    ("milestone", "where"),
    [("0st", "after warm-up"), ("3st", "after warm-up"), ("10st", "the run's end"), ("2ep", "end")],
)
def test_a_drop_that_no_step_would_see_is_refused(milestone: str, where: str) -> None:
    with pytest.raises(ConfigError, match=rf"scheduler\.milestones\[1\]={milestone} .*{where}"):
        factors(at("5st", milestone), 10, 10, warmup="3st")
