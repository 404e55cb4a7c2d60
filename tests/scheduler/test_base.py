"""Warm-up, how often a schedule moves, the least learning rate: the same for every scheduler."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.command import TINY, Call
from tests.scheduler.trace import factors, points, schedule, span
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.metrics import Scores
from trainer.scheduler._frame import Rate
from trainer.scheduler.base import SCHEDULERS, Point, momentum_of, set_hyperparameters
from trainer.scheduler.constant import Constant
from trainer.scheduler.cosine import Cosine
from trainer.scheduler.cosine_restarts import CosineRestarts
from trainer.scheduler.cyclic import Cyclic
from trainer.scheduler.exponential import Exponential
from trainer.scheduler.multistep import MultiStep
from trainer.scheduler.onecycle import OneCycle
from trainer.scheduler.piecewise_linear import PiecewiseLinear
from trainer.scheduler.plateau import Plateau
from trainer.scheduler.polynomial import Polynomial
from trainer.scheduler.step import Step
from trainer.scheduler.swa import SwaSchedule
from trainer.scheduler.torch import Torch

ALL = {
    "constant": Constant(),
    "cosine": Cosine(),
    "cosine_restarts": CosineRestarts(),
    "cyclic": Cyclic(base_momentum=0.8, max_momentum=0.9),
    "exponential": Exponential(),
    "multistep": MultiStep(),
    "onecycle": OneCycle(),
    "piecewise_linear": PiecewiseLinear(),
    "plateau": Plateau(),
    "polynomial": Polynomial(),
    "step": Step(),
    "swa": SwaSchedule(),
    "torch": Torch(),
}
# What a schedule of defaults is worth after the last step, of any run; `None`: its floor.
END = {
    "constant": 1.0,
    "exponential": 0.01,
    "multistep": 1e-3,
    "onecycle": 1 / 25e4,
    "step": 1e-3,
    "cosine": None,
    "cosine_restarts": None,
    "cyclic": None,
    "polynomial": None,
    "piecewise_linear": 0.0,
    "plateau": 1.0,
    "swa": 0.5,
    "torch": 1.0,
}
FIXED = ("constant", "swa")  # a floor has nothing to act on, and is refused


def keys_of(name: str, every: str = "1st", floor: str = "10%") -> dict[str, str]:
    """Shared keys that a schedule takes: those two as wished, where they have an effect."""
    if name == "plateau":
        every = "1ep"
    return {
        "every": "1st" if name == "constant" else every,
        "min_lr": "0" if name in FIXED else floor,
    }


def test_every_name_is_here() -> None:
    assert sorted(ALL) == sorted(END) == SCHEDULERS.names()
    for name, part in ALL.items():
        assert SCHEDULERS.load(name) is type(part)


def test_warm_up_by_hand() -> None:
    got = factors(Constant(), 8, 10, warmup="4st")
    assert got == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("every", ["1st", "7st", "1ep"])
def test_warm_up_is_linear_and_meets_the_schedule_without_a_jump(name: str, every: str) -> None:
    warmup = 25
    got = points(ALL[name], 200, 10, warmup=f"{warmup}st", **keys_of(name, every))
    first = got[warmup]
    assert first.lr_scale > 0.0
    for t in range(warmup):
        assert got[t].lr_scale == pytest.approx(first.lr_scale * (t + 1) / warmup, rel=1e-12)
        assert got[t].momentum == first.momentum
    assert got[warmup - 1].lr_scale == pytest.approx(first.lr_scale, rel=1e-12)


# of the others, some keys are moments of the run or shares of its length
@pytest.mark.parametrize("name", ["cosine", "constant", "onecycle", "polynomial", "torch"])
@pytest.mark.parametrize("every", ["1st", "8st"])
def test_after_warm_up_the_schedule_is_that_of_a_run_which_begins_there(name, every) -> None:
    part = OneCycle(span("30st")) if name == "onecycle" else ALL[name]
    warm = points(part, 100, 10, warmup="20st", **keys_of(name, every))
    assert warm[20:] == points(part, 80, 10, **keys_of(name, every))


@pytest.mark.slow
@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.sampled_from(sorted(ALL)), st.integers(8, 300), st.integers(1, 100), st.data())
def test_any_schedule_stays_between_zero_and_the_peak(name, total, per_epoch, data) -> None:
    early = {"multistep": 0.3, "piecewise_linear": 0.2, "swa": 0.37, "onecycle": 0.5}
    warmup = data.draw(st.integers(0, max(int(early.get(name, 1.0) * total) - 1, 0)))
    got = factors(ALL[name], total, per_epoch, warmup=f"{warmup}st", **keys_of(name))
    assert all(0.0 < factor <= 1.0 + 1e-12 for factor in got)


@pytest.mark.slow
@settings(derandomize=True, max_examples=80, deadline=None)
@given(
    st.sampled_from(sorted(ALL)),
    st.integers(40, 2_000),
    st.integers(1, 200),
    st.integers(5, 12),
    st.sampled_from(["1st", "1ep", "10%"]),
)
def test_any_schedule_ends_at_its_end_value(name, num_images, batch_size, epochs, every) -> None:
    per_epoch = max(num_images // batch_size, 1)  # steps of an epoch, however a step is made up
    total = per_epoch * epochs
    if every == "10%" and total < 50:  # torch's default rises over five moves
        every = "1st"
    floor = "0" if name in ("onecycle", "piecewise_linear", "step", "multistep") else "0.5%"
    keys = keys_of(name, every, floor)
    made = schedule(ALL[name], total, per_epoch, **keys)
    end = 0.005 if END[name] is None else END[name]
    assert made(Clock(total, total, per_epoch)).lr_scale == pytest.approx(end, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", sorted(set(ALL) - {"constant", "plateau", "onecycle", "torch"}))
def test_every_holds_the_value_of_its_first_step(name: str) -> None:
    part = ALL[name]
    held, free = points(part, 60, 10, every="4st"), points(part, 60, 10)
    assert held == [free[t // 4 * 4] for t in range(61)]


def test_every_is_counted_from_the_end_of_warm_up() -> None:
    held = factors(Cosine(), 31, 10, every="4st", warmup="3st")
    free = factors(Cosine(), 31, 10, warmup="3st")
    assert held[3:] == [free[3 + t // 4 * 4] for t in range(29)]


def test_a_pace_that_is_no_whole_number_of_steps_does_not_drift() -> None:
    got = factors(Cosine(), 155, 10, every="1%")  # a move each 1.55 steps, a hundred in all
    assert len(set(got)) == 101
    assert got[-1] == pytest.approx(0.0, abs=1e-15)
    # 125 moves of 1.08 steps are 135 steps, but 135 / 1.08 is below 125 by a rounding error
    assert schedule(Cosine(), 360, every="0.3%").frame.moves(135) == 125


def test_only_a_schedule_with_a_state_has_something_to_save() -> None:
    made = schedule(Cosine(), 10)
    made.observe(Clock(1, 10, 1), Scores(1.0, 0.5, None, 3))
    made.observe(Clock(2, 10, 1), None)
    assert made.state_dict() == {}
    made.load_state_dict({})
    assert schedule(Plateau(), 10, every="1ep").state_dict() != {}


def test_the_schedule_is_a_function_of_the_clock_alone() -> None:
    made = schedule(Cosine(), 50, 10, warmup="5st")
    forward = [made(Clock(t, 50, 10)) for t in range(51)]
    backward = [made(Clock(t, 50, 10)) for t in reversed(range(51))]
    assert forward == backward[::-1]


def test_the_floor_absolute_and_as_a_share_of_the_peak() -> None:
    assert Rate.parse(0.001, "k") == Rate(0.001)
    assert Rate.parse("1%", "k") == Rate(1.0, is_share=True)
    assert Rate.parse("1%", "k").of(0.4, "k") == 0.01
    assert Rate.parse("0.004", "k").of(0.4, "k") == pytest.approx(0.01, rel=1e-15)
    for floor in (0.003, "1%"):  # of the peak 0.3 both are the same
        assert factors(Cosine(), 10, min_lr=floor)[-1] == pytest.approx(0.01)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.floats(0.0, 1e6), st.booleans())
def test_a_rate_is_read_back_as_it_is_written(value: float, is_share: bool) -> None:
    assert Rate.parse(str(Rate(value, is_share)), "k") == Rate(value, is_share)


@pytest.mark.parametrize("value", ["", "-1", "1 percent", None, True, "nan", "inf", [1]])
def test_what_is_no_rate_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.min_lr must be a learning rate"):
        Rate.parse(value, "scheduler.min_lr")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"warmup": "10st"}, r"scheduler\.warmup=10st is 10 steps.*only 10"),
        ({"warmup": "2ep"}, r"scheduler\.warmup=2ep is 20 steps.*only 10"),
        ({"warmup": "1%"}, r"scheduler\.warmup=1% is less than one step"),
        ({"every": "1%"}, r"scheduler\.every=1% is less than one step"),
        ({"min_lr": "150%"}, r"scheduler\.min_lr=150% is above the peak"),
    ],
)
def test_settings_that_cannot_take_effect_are_refused(keys, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        schedule(Cosine(), 10, 10, **keys)


def test_a_warm_up_to_a_schedule_that_begins_at_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.warmup=2st has nothing to rise to"):
        schedule(Cyclic(), 10, warmup="2st")


def test_every_group_gets_its_own_base_rate_times_the_factor() -> None:
    weights = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    groups = [{"params": [weights[0]], "lr": 0.1}, {"params": [weights[1]], "lr": 0.4}]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    set_hyperparameters(optimizer, [Point(0.5, 0.7)] * 2)
    set_hyperparameters(optimizer, [Point(0.25)] * 2)  # of the base rate, not of the present one
    assert [g["lr"] for g in optimizer.param_groups] == [0.025, 0.1]
    assert [g["momentum"] for g in optimizer.param_groups] == [0.7, 0.7]
    assert momentum_of(optimizer) == 0.7


def test_momentum_is_beta1_where_an_optimizer_has_betas() -> None:
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.1, betas=(0.9, 0.99))
    optimizer.param_groups[0]["base_lr"] = 0.1
    set_hyperparameters(optimizer, [Point(1.0, 0.6)])
    assert optimizer.param_groups[0]["betas"] == (0.6, 0.99)
    assert momentum_of(optimizer) == 0.6


def test_an_optimizer_with_neither_has_no_momentum() -> None:
    assert momentum_of(torch.optim.Adagrad([torch.zeros(1, requires_grad=True)])) is None


def test_momentum_is_given_to_no_optimizer_that_runs_without() -> None:
    weight = torch.zeros(1, requires_grad=True)
    for optimizer in (torch.optim.SGD([weight], lr=0.1), torch.optim.Adagrad([weight], lr=0.1)):
        group = optimizer.param_groups[0]
        group["base_lr"] = 0.1
        set_hyperparameters(optimizer, [Point(0.5, 0.9)])
        assert group["lr"] == 0.05
        assert not group.get("momentum")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scheduler=onecycle", "scheduler=cyclic"])
def test_momentum_asked_for_where_there_is_none_is_refused(name: str, call: Call) -> None:
    bare = ("optim.momentum=0", "optim.nesterov=false", "max_steps=3")
    assert call(*TINY, *bare, name).code == 0
    asked = call(*TINY, *bare, name, "scheduler.base_momentum=0.7", "scheduler.max_momentum=0.9")
    assert asked.code == 2
    assert "scheduler.base_momentum: optim=sgd has no momentum to cycle" in asked.err


# One other value of every key of every component, and what it needs beside it.
OTHER: dict[str, dict[str, tuple[object, dict[str, object]]]] = {
    "constant": {},
    "cosine": {},
    "cosine_restarts": {"t_0": ("25%", {}), "t_mult": (2, {"t_0": "25%"})},
    "cyclic": {
        "step_size": ("10%", {}),
        "step_size_down": ("10%", {}),
        "mode": ("triangular2", {}),
        "gamma": (0.9, {"mode": "exp_range"}),
        "base_momentum": (0.7, {"max_momentum": 0.9}),
        "max_momentum": (0.8, {"base_momentum": 0.7}),
    },
    "exponential": {"gamma": (0.5, {}), "period": ("20%", {})},
    "multistep": {"milestones": (["50%"], {}), "gamma": (0.5, {})},
    "onecycle": {
        "pct_start": ("40%", {}),
        "div_factor": (10.0, {}),
        "final_div_factor": (10.0, {}),
        "shape": ("linear", {}),
        "three_phase": (True, {}),
        "base_momentum": (0.8, {}),
        "max_momentum": (0.9, {}),
    },
    "piecewise_linear": {"knots": ([["0%", 1], ["100%", 0.5]], {})},
    "plateau": {
        "metric": ("val_top1", {}),
        "factor": (0.5, {}),
        "patience": ("30%", {}),
        "threshold": (0.3, {}),
        "threshold_mode": ("abs", {"threshold": 0.45}),
        "cooldown": ("30%", {}),
    },
    "polynomial": {"power": (2.0, {})},
    "step": {"step_size": ("20%", {}), "gamma": (0.5, {})},
    "swa": {
        "swa_lr": ("0.03", {}),
        "start": ("50%", {}),
        "anneal": ("10%", {}),
        "shape": ("cosine", {}),
    },
    "torch": {"lr_scheduler": ("ConstantLR", {}), "args": ({"total_iters": 9}, {})},
}


def observed_trace(name: str, values: dict[str, object]) -> list[Point]:
    """The points of ten epochs of five steps; the loss falls, then wanders; top-1 stays."""
    made = schedule(build(SCHEDULERS.load(name), values, "scheduler"), 50, 5, **PACE.get(name, {}))
    losses = [2.0, 1.5, 1.1, 0.9, 0.9, 0.9, 0.8, 0.9, 0.9, 0.9]
    trace = []
    for t in range(50):
        trace.append(made(Clock(t, 50, 5)))
        if t % 5 == 4:
            made.observe(Clock(t + 1, 50, 5), Scores(losses[t // 5], 0.5, None, 1))
    return trace


PACE = {"plateau": {"every": "1ep"}}


@pytest.mark.parametrize("name", ALL)
def test_every_key_of_every_component_moves_something(name: str) -> None:
    assert set(OTHER[name]) == {field.name for field in fields(SCHEDULERS.load(name))}
    for key, (value, beside) in OTHER[name].items():
        without = {} if "momentum" in key and name == "cyclic" else beside
        assert observed_trace(name, {**beside, key: value}) != observed_trace(name, without), key
