"""One snapshot at the end of an epoch, from epoch `start` on, nothing from before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.average.trajectory import TOTAL, averaged, keys, plan_for, resumed, walk
from trainer.average.base import AVERAGES
from trainer.average.swa_paper import SwaPaper
from trainer.core.clock import Clock
from trainer.core.errors import ConfigError


@pytest.mark.slow
@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(0, 4), st.integers(1, 4), st.integers(0, 1_000))
def test_it_is_the_authors_moving_average(start: int, cycle: int, seed: int) -> None:
    """Their loop, epochs counted from 0, with swa_start and swa_c_epochs."""
    weights, per_epoch = walk(seed), 10
    swa, num = np.full(3, np.nan), 0
    for epoch in range(TOTAL // per_epoch):
        w = weights[(epoch + 1) * per_epoch].numpy()
        if epoch + 1 >= start and (epoch + 1 - start) % cycle == 0:
            alpha = 1 / (num + 1)
            swa = w if num == 0 else swa * (1 - alpha) + w * alpha
            num += 1
    paper = SwaPaper()
    if num == 0:
        with pytest.raises(ConfigError, match="but the run has 40 steps"):
            plan_for(paper, f"{start}ep", f"{cycle}ep")
        return
    got = averaged(paper, plan_for(paper, f"{start}ep", f"{cycle}ep"), weights)
    np.testing.assert_allclose(got, swa, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("start", "every", "due"),
    [
        ("3ep", "1ep", [30, 40]),  # average=swa has its first at 40
        ("0ep", "1ep", [10, 20, 30, 40]),  # not the initial weights
        ("1ep", "2ep", [10, 30]),
        ("75%", "1ep", [30, 40]),
        ("21st", "1ep", [30, 40]),  # moves to the end of its epoch
    ],
)
def test_snapshots_by_hand(start: str, every: str, due: list[int]) -> None:
    plan = plan_for(SwaPaper(), start, every)
    assert [t for t in range(TOTAL + 1) if plan.is_due(t)] == due


def test_an_epoch_that_the_run_breaks_off_gives_no_snapshot() -> None:
    plan = SwaPaper().plan(keys("1ep", "1ep"), Clock(0, 25, 10))
    assert [t for t in range(26) if plan.is_due(t)] == [10, 20]
    with pytest.raises(ConfigError, match=r"after step 30, but the run has 25"):
        SwaPaper().plan(keys("2.1ep", "1ep"), Clock(0, 25, 10))


@pytest.mark.parametrize("stop", [0, 29, 30, 37])
def test_saved_and_loaded_at_any_step_it_goes_on_bit_for_bit(stop: int) -> None:
    paper, weights = SwaPaper(), walk(4, dtype=torch.float32)
    plan = plan_for(paper, "2ep", "1ep")
    assert np.array_equal(resumed(paper, plan, weights, stop), averaged(paper, plan, weights))


@pytest.mark.parametrize("every", ["10st", "5%", "0.5ep", "1.5ep", "0ep"])
def test_snapshots_elsewhere_than_at_the_ends_of_epochs_are_refused(every: str) -> None:
    with pytest.raises(ConfigError, match=rf"average\.every={every}: .*average\.every=1ep"):
        SwaPaper().check(keys("1ep", every))


def test_the_name_loads_the_class() -> None:
    assert AVERAGES.load("swa_paper") is SwaPaper
