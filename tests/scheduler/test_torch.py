"""Classes of torch.optim.lr_scheduler, rendered into a table; those that cannot be are refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import yaml
from torch.optim import lr_scheduler

from tests.command import TINY, Call
from tests.scheduler.trace import PEAK, factors, momenta, points, scales, span, torch_points
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.scheduler.cosine import Cosine
from trainer.scheduler.step import Step
from trainer.scheduler.torch import CLASSES, INSTEAD, Torch

ARGS = {
    "StepLR": {"step_size": 70, "gamma": 0.9},
    "MultiStepLR": {"milestones": [5, 100, 100], "gamma": 0.5},
    "ConstantLR": {},
    "LinearLR": {"start_factor": 0.1, "total_iters": 500},
    "ExponentialLR": {"gamma": 0.999},
    "CosineAnnealingLR": {"T_max": 300, "eta_min": 0.001},
    "CyclicLR": {"base_lr": 0.01, "step_size_up": 40, "mode": "triangular2"},
    "CosineAnnealingWarmRestarts": {"T_0": 30, "T_mult": 2},
    "OneCycleLR": {"total_steps": 1000, "three_phase": True},
    "PolynomialLR": {"total_iters": 900, "power": 2.0},
}


def test_every_class_of_torch_is_offered_or_refused_with_ours() -> None:
    assert set(ARGS) == set(CLASSES)
    assert {*CLASSES, *INSTEAD, "LRScheduler"} == set(lr_scheduler.__all__)


@pytest.mark.parametrize("name", CLASSES)
def test_the_table_is_what_the_class_sets(name: str) -> None:
    given = {"max_lr": PEAK} if name in ("CyclicLR", "OneCycleLR") else {}
    expected = torch_points(partial(getattr(lr_scheduler, name), **ARGS[name], **given), 1000)
    got = points(Torch(name, ARGS[name]), 1000)[:-1]
    assert scales(got) == pytest.approx(scales(expected), rel=1e-12, abs=0)
    if name in ("CyclicLR", "OneCycleLR"):
        assert momenta(got) == momenta(expected)
        assert len(set(momenta(got))) > 10
    else:
        assert momenta(got) == [None] * 1000


def test_it_is_stepped_once_per_every_from_the_end_of_warm_up() -> None:
    part = Torch("ExponentialLR", {"gamma": 0.5})
    assert factors(part, 6, 2, every="1ep") == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125]
    warm = factors(part, 7, 2, every="1ep", warmup="3st")
    assert warm == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25])


def test_ours_and_torch_s_agree_through_the_seam() -> None:
    per_epoch = Torch("StepLR", {"step_size": 3, "gamma": 0.7})
    ours = factors(Step(span("3ep"), 0.7), 300, 10, every="1ep")
    assert factors(per_epoch, 300, 10, every="1ep") == pytest.approx(ours, rel=1e-12)
    theirs = factors(Torch("CosineAnnealingLR", {"T_max": 300}), 300)
    assert theirs == pytest.approx(factors(Cosine(), 300), rel=1e-9, abs=1e-12)


def test_a_floor_cuts_the_table_off_below() -> None:
    part = Torch("ExponentialLR", {"gamma": 0.5})
    assert factors(part, 4, min_lr="20%") == [1.0, 0.5, 0.25, 0.2, 0.2]


def test_momentum_is_asked_for_by_an_argument() -> None:
    cycle = {"base_lr": 0.1, "step_size_up": 2}
    assert Torch("CyclicLR", cycle).momentum_key is None
    assert Torch("CyclicLR", {**cycle, "cycle_momentum": True}).momentum_key == "scheduler.args"
    assert Torch("CyclicLR", {**cycle, "max_momentum": 0.99}).momentum_key == "scheduler.args"
    off = Torch("CyclicLR", {**cycle, "cycle_momentum": False})
    assert off.momentum_key is None
    assert momenta(points(off, 4)) == [None] * 5


@pytest.mark.parametrize("name", INSTEAD)
def test_what_needs_functions_schedulers_or_scores_is_refused_naming_ours(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"scheduler\.lr_scheduler={name} cannot.*scheduler[=.]"):
        build(Torch, {"lr_scheduler": name}, "scheduler")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr_scheduler": "StepLr"}, r"unknown scheduler\.lr_scheduler 'StepLr'.*'StepLR'"),
        ({"lr_scheduler": "LRScheduler"}, r"unknown scheduler\.lr_scheduler"),
        ({"args": {"total_iter": 3}}, r"unknown key 'scheduler\.args\.total_iter'.*total_iters"),
        ({"args": {"last_epoch": 3}}, r"unknown key 'scheduler\.args\.last_epoch'"),
        ({"args": {"optimizer": 3}}, r"unknown key 'scheduler\.args\.optimizer'"),
        ({"args": [3]}, r"scheduler\.args must be a mapping, got \[3\]"),
        (
            {"lr_scheduler": "CyclicLR", "args": {"scale_fn": "abs"}},
            r"unknown key 'scheduler\.args\.scale_fn'",
        ),
        (
            {"lr_scheduler": "OneCycleLR", "args": {"max_lr": 0.1}},
            r"scheduler\.args\.max_lr is optim\.lr",
        ),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Torch, {"lr_scheduler": "LinearLR", **values}, "scheduler")


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("StepLR", {}, "torch's StepLR refuses that.*step_size"),
        ("StepLR", {"step_size": 0}, "torch's StepLR refuses that"),
        ("StepLR", {"step_size": "many"}, "torch's StepLR refuses that"),
        ("ExponentialLR", {"gamma": float("nan")}, "torch's ExponentialLR refuses that.*nan"),
        ("OneCycleLR", {"total_steps": 5}, "torch's OneCycleLR refuses that.*5"),
        ("OneCycleLR", {"total_steps": 20, "max_momentum": 1.5}, "momentum 1.5 .*not in"),
        ("ExponentialLR", {"gamma": 2.0}, "sets the lr to 0.6 after 1 moves.*optim.lr=0.3"),
        ("ExponentialLR", {"gamma": -1.0}, "sets the lr to -0.3 after 1 moves"),
        ("CyclicLR", {"base_lr": 0.5}, "sets the lr to 0.5 after 0 moves"),
    ],
)
def test_what_a_class_refuses_or_a_schedule_may_not_do_is_told(name, args, message) -> None:
    with pytest.raises(ConfigError, match=message):
        points(Torch(name, args), 20)


@pytest.mark.slow
def test_a_command_line_its_record_and_its_repetition(call: Call, here: Path) -> None:
    overrides = ("scheduler=torch", "scheduler.lr_scheduler=MultiStepLR", "max_steps=3")
    args = "scheduler.args={milestones:[1,2],gamma:0.5}"
    first, second = here / "first", here / "second"
    done = call(*TINY, *overrides, args, f"hydra.run.dir={first}")
    assert done.code == 0, done.err
    again = call(f"repeat={first}", "scheduler.args.gamma=0.25", f"hydra.run.dir={second}")
    assert again.code == 0, again.err
    recorded = [yaml.safe_load((r / "config.yaml").read_text()) for r in (first, second)]
    assert [c["scheduler"]["args"]["gamma"] for c in recorded] == [0.5, 0.25]
    assert all(c["scheduler"]["args"]["milestones"] == [1, 2] for c in recorded)
    told = call(*TINY, *overrides, "scheduler.args={milestones:[1],gama:0.5}")
    assert told.code == 2
    assert "did you mean 'scheduler.args.gamma'" in told.err
