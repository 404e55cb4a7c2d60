"""Warm restarts follow CosineAnnealingWarmRestarts; the last cycle ends at the floor."""

from __future__ import annotations

import itertools
import math
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from tests.scheduler.trace import PEAK, factors, span, torch_factors
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.scheduler.cosine_restarts import CosineRestarts


def test_by_hand_nothing_restarts_after_the_last_step() -> None:
    got = factors(CosineRestarts(span("2st")), 4)
    assert got == pytest.approx([1.0, 0.5, 1.0, 0.5, 0.0], abs=1e-15)


def test_each_cycle_is_longer_by_t_mult() -> None:
    got = factors(CosineRestarts(span("1st"), 2), 7)  # cycles of 1, 2 and 4 steps
    half = math.sqrt(0.5)
    last = [1.0, (1 + half) / 2, 0.5, (1 - half) / 2, 0.0]
    assert got == pytest.approx([1.0, 1.0, 0.5, *last], abs=1e-15)


def test_cycles_grow_by_a_fraction_as_timm_s_cycle_mul() -> None:
    got = factors(CosineRestarts(span("4st"), 1.5), 19)  # cycles of 4, 6 and 9 steps
    for begin, length in ((0, 4), (4, 6), (10, 9)):
        cosine = [0.5 + 0.5 * math.cos(math.pi * i / length) for i in range(length)]
        assert got[begin : begin + length] == pytest.approx(cosine)


@pytest.mark.slow
@pytest.mark.parametrize(("t_0", "t_mult"), [(370, 1), (7, 2), (11, 3)])
def test_parity_with_torch_over_10000_steps(t_0: int, t_mult: int) -> None:
    make = partial(CosineAnnealingWarmRestarts, T_0=t_0, T_mult=t_mult, eta_min=0.01 * PEAK)
    got = factors(CosineRestarts(span(f"{t_0}st"), t_mult), 10_000, min_lr="1%")
    assert got == pytest.approx(torch_factors(make, 10_001), rel=1e-9, abs=0)


def test_parity_with_torch_stepped_once_an_epoch() -> None:
    make = partial(CosineAnnealingWarmRestarts, T_0=3, T_mult=2, eta_min=0.01 * PEAK)
    per_epoch = torch_factors(make, 101)
    got = factors(CosineRestarts(span("3ep"), 2), 2_000, 20, every="1ep", min_lr="1%")
    assert got == pytest.approx([per_epoch[t // 20] for t in range(2_001)], rel=1e-9, abs=0)


@pytest.mark.slow
@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(14, 400), st.integers(1, 50), st.sampled_from([(25.0, 1), (100 / 7, 2)]))
def test_whole_cycles_end_at_the_floor_whatever_the_length_of_the_run(total, per_epoch, cycles):
    share, t_mult = cycles
    got = factors(CosineRestarts(span(f"{share!r}%"), t_mult), total, per_epoch, min_lr="10%")
    assert got[-1] == pytest.approx(0.1, abs=1e-12)
    rises = sum(b > a for a, b in itertools.pairwise(got))
    assert rises == (3 if t_mult == 1 else 2)


def test_a_run_that_ends_within_a_cycle_ends_above_the_floor() -> None:
    assert factors(CosineRestarts(span("4st")), 6)[-1] == pytest.approx(0.5)


def test_bad_settings_are_refused_by_key() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.t_mult must be at least 1, got 0"):
        build(CosineRestarts, {"t_mult": 0}, "scheduler")
    with pytest.raises(ConfigError, match=r"scheduler\.t_mult must be at least 1, got 0.5"):
        build(CosineRestarts, {"t_mult": 0.5}, "scheduler")
    with pytest.raises(ConfigError, match=r"scheduler\.t_0=1% is less than one step"):
        factors(CosineRestarts(span("1%")), 10)
