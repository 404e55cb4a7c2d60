"""The staircase of the bag of tricks: each preset changes what it says and nothing else."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT, Call
from trainer import compose
from trainer.composition.search_path import Sources
from trainer.core.yaml_files import flat, leaf
from trainer.record.runs import read_run

FOLDER = "bag_of_tricks"
PRESETS = [n.split("/")[1] for n in Sources().options("experiment") if n.startswith(FOLDER)]
LONGER = {"epochs": 50.0}
DROPS = ["50%", "75%"]
# What each step changes of the one before it.
STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "linear_lr": ("baseline", {"batch_size": 64, "optim.lr": 0.4, "optim.lr_rule": "linear"}),
    "warmup": ("linear_lr", {"scheduler.warmup": "2ep"}),
    "zero_gamma": ("warmup", {"model.zero_gamma": True}),
    "no_bias_decay": ("zero_gamma", {"optim.groups": ["no_bias_decay"]}),
    "low_precision": ("no_bias_decay", {"precision.name": "bf16"}),
    "cosine": ("low_precision", {"scheduler.name": "cosine"}),
    "label_smoothing": ("cosine", {"loss.label_smoothing": 0.1}),
    "mixup": ("label_smoothing", {**LONGER, "mix.name": "mixup", "mix.alpha": 0.2}),
    "distill": ("mixup", {"loss.name": "distill", "loss.teacher": "/a/run"}),
    "teacher": ("mixup", {"model.name": "resnet44"}),
    "all_but_linear_lr": ("mixup", {"optim.lr": 0.025, "optim.lr_rule": "none"}),
    "all_but_warmup": ("mixup", {"scheduler.warmup": "0ep"}),
    "all_but_zero_gamma": ("mixup", {"model.zero_gamma": False}),
    "all_but_no_bias_decay": ("mixup", {"optim.groups": []}),
    "all_but_low_precision": ("mixup", {"precision.name": "fp32"}),
    "all_but_cosine": ("mixup", {"scheduler.name": "multistep", "scheduler.milestones": DROPS}),
    "all_but_label_smoothing": ("mixup", {"loss.label_smoothing": 0.0}),
    "all_but_mixup": ("label_smoothing", LONGER),
}


@functools.cache
def values(*overrides: str) -> dict[str, Any]:
    """Return every leaf of what words compose to, by its key."""
    tree = compose(*overrides).plain()
    return {key: leaf(tree, key) for key in flat(tree)}


def of_preset(preset: str) -> dict[str, Any]:
    teacher = ["loss.teacher=/a/run"] if preset == "distill" else []
    return values(f"+experiment={FOLDER}/{preset}", *teacher)


def changed(before: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return values with some changed; a part of another name has that one's defaults, and keeps
    the keys that both have."""
    found = dict(before)
    for key, value in changes.items():
        group = key.removesuffix(".name")
        if group != key:
            overrides = [f"{k}={v}" for k, v in changes.items() if k != key and is_in(k, group)]
            own = {
                k: v for k, v in values(f"{group}={value}", *overrides).items() if is_in(k, group)
            }
            kept = {k: v for k, v in found.items() if k in own}
            found = {k: v for k, v in found.items() if not is_in(k, group)} | own | kept
    return found | changes


def is_in(key: str, group: str) -> bool:
    return key.startswith(f"{group}.")


def test_every_preset_is_a_step() -> None:
    assert set(PRESETS) == {"baseline", *STEPS}
    left_out = {name.removeprefix("all_but_") for name in STEPS if name.startswith("all_but_")}
    assert left_out == {step for step in STEPS if not is_aside(step)}


def is_aside(step: str) -> bool:
    """Whether a step is none of the first eight."""
    return step in ("distill", "teacher") or step.startswith("all_but_")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.slow
def test_a_step_changes_what_it_says_and_nothing_else(step: str) -> None:
    before, changes = STEPS[step]
    assert of_preset(step) == changed(of_preset(before), changes)


@pytest.mark.slow
def test_the_linear_rule_gives_the_baseline_s_learning_rate_per_image() -> None:
    base, scaled = of_preset("baseline"), of_preset("linear_lr")
    peak = scaled["optim.lr"] * scaled["batch_size"] / 256
    assert peak / scaled["batch_size"] == pytest.approx(base["optim.lr"] / base["batch_size"])


@pytest.mark.parametrize("preset", PRESETS)
def test_a_header_says_what_to_expect_of_how_many_seeds(preset: str) -> None:
    text = (ROOT / "conf" / "experiment" / FOLDER / f"{preset}.yaml").read_text()
    header = "".join(line for line in text.splitlines(True) if line.startswith("#"))
    assert f"+experiment={FOLDER}/{preset}" in header
    assert re.search(r"# Expected: test \d+\.\d\d % \((sd \d+\.\d\d, )?n = \d+, seed", header)
    assert re.search(r"; commit [0-9a-f]{7}, torch \d", header)
    assert re.search(r"# Time: \d+ s on one core", header)


@pytest.mark.slow
def test_the_last_step_learns_from_the_teacher(call: Call) -> None:
    short = ("max_steps=2", "scheduler.warmup=1st", "threads=1")
    done = call(f"+experiment={FOLDER}/teacher", *short, "hydra.run.dir=teacher")
    assert done.code == 0, done.err
    overrides = (f"+experiment={FOLDER}/distill", "loss.teacher=teacher", *short)
    done = call(*overrides, "hydra.run.dir=student")
    assert done.code == 0, done.err
    assert list(read_run(Path("student")).summary["weights_read"]) == ["loss.teacher"]
