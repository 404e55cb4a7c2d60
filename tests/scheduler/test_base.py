"""Warm-up, how often a schedule moves, the least learning rate: the same for every scheduler."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.duration import Clock, Duration
from trainer.errors import ConfigError
from trainer.registry import Choice
from trainer.scheduler.base import (
    SCHEDULERS,
    Floor,
    Point,
    Schedule,
    Scheduler,
    SchedulerKeys,
    momentum_of,
    set_hyperparameters,
)
from trainer.scheduler.constant import Constant
from trainer.scheduler.cosine import Cosine
from trainer.scheduler.cyclic import Cyclic
from trainer.scheduler.exponential import Exponential
from trainer.scheduler.step import Step

ALL = {
    "constant": Constant(),
    "cosine": Cosine(),
    "cyclic": Cyclic(base_momentum=0.8, max_momentum=0.9),
    "exponential": Exponential(),
    "step": Step(),
}


def make(component: Scheduler, total: int, windows_per_epoch: int = 10, **keys) -> Schedule:
    choice = Choice("name", SchedulerKeys(**keys), component)
    return Schedule(choice, peak=0.1, total=total, windows_per_epoch=windows_per_epoch)


def floor_of(name: str) -> Floor:
    return Floor(0.0) if name == "constant" else Floor(10.0, is_share=True)


def test_warm_up_by_hand() -> None:
    schedule = make(Constant(), 8, warmup=Duration(4, "st"))
    got = [schedule(Clock(t, 8, 10)).lr_scale for t in range(9)]
    assert got == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("every", ["1st", "7st", "1ep"])
def test_warm_up_is_linear_and_meets_the_schedule_without_a_jump(name: str, every: str) -> None:
    total, warmup = 200, 25
    keys = {"every": Duration.parse(every, "scheduler.every"), "min_lr": floor_of(name)}
    schedule = make(ALL[name], total, warmup=Duration(warmup, "st"), **keys)
    first = ALL[name](Clock(warmup, total, 10, warmup), schedule.floor)
    got = [schedule(Clock(t, total, 10)) for t in range(total + 1)]
    for t in range(warmup):
        assert got[t].lr_scale == pytest.approx(first.lr_scale * (t + 1) / warmup, rel=1e-12)
        assert got[t].momentum == first.momentum
    assert got[warmup - 1].lr_scale == pytest.approx(got[warmup].lr_scale, rel=1e-12)


@pytest.mark.parametrize("name", ["cosine", "constant"])
def test_after_warm_up_the_schedule_is_that_of_a_run_which_begins_there(name: str) -> None:
    warm = make(ALL[name], 100, warmup=Duration(20, "st"))
    plain = make(ALL[name], 80)
    for t in range(81):
        assert warm(Clock(20 + t, 100, 10)) == plain(Clock(t, 80, 10))


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.sampled_from(sorted(ALL)), st.integers(8, 600), st.integers(1, 100), st.data())
def test_any_schedule_stays_between_zero_and_the_peak(name, total, per_epoch, data) -> None:
    warmup = data.draw(st.integers(0, total - 1))
    schedule = make(
        ALL[name], total, per_epoch, warmup=Duration(warmup, "st"), min_lr=floor_of(name)
    )
    for t in range(total + 1):
        assert 0.0 < schedule(Clock(t, total, per_epoch)).lr_scale <= 1.0 + 1e-12


def test_every_holds_the_value_of_its_first_step() -> None:
    schedule, free = make(Cosine(), 30, every=Duration(4, "st")), make(Cosine(), 30)
    for t in range(31):
        assert schedule(Clock(t, 30, 10)) == free(Clock(t // 4 * 4, 30, 10))


def test_the_schedule_is_a_function_of_the_clock_alone() -> None:
    schedule = make(Cosine(), 50, warmup=Duration(5, "st"))
    forward = [schedule(Clock(t, 50, 10)) for t in range(51)]
    backward = [schedule(Clock(t, 50, 10)) for t in reversed(range(51))]
    assert forward == backward[::-1]


def test_the_floor_absolute_and_as_a_share_of_the_peak() -> None:
    assert Floor.parse(0.001, "k") == Floor(0.001)
    assert Floor.parse("1%", "k") == Floor(1.0, is_share=True)
    assert Floor.parse("1%", "k").of(0.4) == 0.01
    assert Floor.parse("0.004", "k").of(0.4) == pytest.approx(0.01, rel=1e-15)
    for floor in (Floor(0.001), Floor(1.0, is_share=True)):  # of the peak 0.1 both are 1%
        assert make(Cosine(), 10, min_lr=floor)(Clock(10, 10, 10)).lr_scale == pytest.approx(0.01)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.floats(0.0, 1e6), st.booleans())
def test_a_floor_is_read_back_as_it_is_written(value: float, is_share: bool) -> None:
    assert Floor.parse(str(Floor(value, is_share)), "k") == Floor(value, is_share)


@pytest.mark.parametrize("value", ["", "-1", "1 percent", None, True, "nan", "inf", [1]])
def test_what_is_no_floor_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.min_lr must be a learning rate"):
        Floor.parse(value, "scheduler.min_lr")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"warmup": Duration(10, "st")}, r"scheduler\.warmup=10st is 10 steps.*only 10"),
        ({"warmup": Duration(2, "ep")}, r"scheduler\.warmup=2ep is 20 steps.*only 10"),
        ({"warmup": Duration(1, "%")}, r"scheduler\.warmup=1% is less than one step"),
        ({"every": Duration(1, "%")}, r"scheduler\.every=1% is less than one step"),
        ({"min_lr": Floor(150.0, is_share=True)}, r"scheduler\.min_lr=150% is above the peak"),
    ],
)
def test_settings_that_cannot_take_effect_are_refused(
    keys: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make(Cosine(), 10, **keys)


def test_a_warm_up_to_a_schedule_that_begins_at_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.warmup=2st has nothing to rise to"):
        make(Cyclic(), 10, warmup=Duration(2, "st"))


def test_every_group_gets_its_own_base_rate_times_the_factor() -> None:
    weights = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    groups = [{"params": [weights[0]], "lr": 0.1}, {"params": [weights[1]], "lr": 0.4}]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    set_hyperparameters(optimizer, Point(0.5, 0.7))
    set_hyperparameters(optimizer, Point(0.25, None))  # of the base rate, not of the present one
    assert [g["lr"] for g in optimizer.param_groups] == [0.025, 0.1]
    assert [g["momentum"] for g in optimizer.param_groups] == [0.7, 0.7]
    assert momentum_of(optimizer) == 0.7


def test_momentum_is_beta1_where_an_optimizer_has_betas() -> None:
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.1, betas=(0.9, 0.99))
    optimizer.param_groups[0]["base_lr"] = 0.1
    set_hyperparameters(optimizer, Point(1.0, 0.6))
    assert optimizer.param_groups[0]["betas"] == (0.6, 0.99)
    assert momentum_of(optimizer) == 0.6


def test_an_optimizer_with_neither_has_no_momentum() -> None:
    assert momentum_of(torch.optim.Adagrad([torch.zeros(1, requires_grad=True)])) is None


def test_only_a_schedule_that_cycles_momentum_says_so() -> None:
    assert make(ALL["cyclic"], 10).sets_momentum
    assert not make(Cosine(), 10).sets_momentum


@pytest.mark.parametrize("name", ALL)
def test_the_name_loads_the_class(name: str) -> None:
    assert SCHEDULERS.load(name) is type(ALL[name])
