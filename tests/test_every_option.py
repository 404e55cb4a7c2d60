"""Every option of every component has an effect: weights, learning rates or metrics move."""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from trainer import compose
from trainer.checkpoint import format as checkpoint
from trainer.config.groups import REGISTRIES
from trainer.config.run_config import RunConfig
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.core.units import Amount, Duration
from trainer.loop import EpochRecord, averaged_model, evaluate, fit
from trainer.run.assemble import assemble
from trainer.run.device import prepare

BASE = (
    *("data=synthetic", "data.num_train=48", "data.num_test=20", "data.image_shape=[1,8,8]"),
    *("data.num_classes=6", "model=mlp", "model.hidden=[8]", "batch_size=16", "epochs=3"),
    *("threads=1", "report_test=false"),
)
GROUPS = ("data", "augment", "model", "optim", "scheduler", "average", "mix", "loss")
# Data sets that need files have no other options than these, which tests of their own cover.
NEED_FILES = ("mnist", "fashion_mnist", "cifar10", "cifar100", "cifar10_jpeg", "image_folder")
# Where images lie and how they are read moves no number: tests/test_run.py shows that.
# Which network a teacher's file is for moves none where it fits: tests/loss/test_distill.py.
NO_RESULT = ("data.root", "data.labels", "data.workers", "data.resident_share")
NO_RESULT += ("loss.teacher_model", "loss.teacher_args")

# A value that differs, where halving, negating or the next literal is not one: by `group.field`,
# or by `name.field` where one name needs its own.
OTHER: dict[str, object] = {
    "loss.class_weights": [1, 2, 3, 4, 5, 6],
    "data.split_seed": 5,
    "data.subset": "50%",
    "data.val": "20%",
    "data.last": "drop",
    "data.image_shape": [1, 6, 6],
    "digits_hard.max_scale": 1.25,
    "model.hidden": [4],
    "vit.patch": 2,
    "vit.width": 32,
    "vit.heads": 2,
    "loss.teacher": "other.safetensors",
    "wide_resnet.depth": 16,
    "model.arch": "mnasnet0_5",
    "optim.betas": [0.8, 0.99],
    "optim.groups": [{"match": "bias", "lr": 2}],
    "optim.lr": 0.02,
    "optim.nesterov": False,
    "scheduler.warmup": "2st",
    "scheduler.every": "1ep",
    "scheduler.min_lr": "50%",
    "cyclic.gamma": 0.5,
    "cyclic.base_momentum": 0.8,
    "cyclic.max_momentum": 0.99,
    "cyclic.step_size_down": "1st",
    "multistep.milestones": ["10%"],
    "onecycle.max_momentum": 0.9,
    "piecewise_linear.knots": [["0%", 1], ["100%", 0.5]],
    "plateau.every": "2ep",
    "plateau.metric": "val_top1",
    "plateau.threshold": 0.5,
    "plateau.patience": "3ep",
    "muon.lr": 0.05,
    "model.ghost_batch": 4,
    "plateau.cooldown": "3ep",
    "swa.swa_lr": "10%",
    "torch.lr_scheduler": "PolynomialLR",
    "torch.args": {"total_iters": 3},
    "cutout.size": 3,
    "augment.scale": [0.2, 0.5],
    "augment.ratio": [0.9, 1.1],
    "average.bn_images": 8,
    "average.eval_every": "2ep",
    "average.start": "3st",
    "average.every": "2st",
    "swa_paper.start": "2ep",
    "swa_paper.every": "2ep",
}
EARLY = ("average.start=1st", "average.every=1st")
STUCK = ("model.norm=none", "optim.lr=1e-7", "scheduler.patience=0ep", "epochs=6")  # loss stays
LEARNING = ("model.norm=batch", "optim.lr=0.001")  # the loss falls by a hundredth an epoch
# Words that give a key something to act on: by `group.field` or `name.field`.
CONTEXT: dict[str, tuple[str, ...]] = {
    "data.last": ("data.num_train=56",),
    "digits.last": ("batch_size=512",),
    "digits_hard.last": ("batch_size=512",),
    "average.start": EARLY,
    "average.every": EARLY,
    "average.bn_images": EARLY,
    "average.eval_every": EARLY,
    "swa.include_init": EARLY,
    "swa_paper.start": (),
    "swa_paper.every": (),
    "swa_paper.bn_images": (),
    "swa_paper.eval_every": (),
    "cyclic.gamma": ("scheduler.mode=exp_range",),
    "cyclic.base_momentum": ("scheduler.base_momentum=0.85", "scheduler.max_momentum=0.95"),
    "cyclic.max_momentum": ("scheduler.base_momentum=0.85", "scheduler.max_momentum=0.95"),
    "cyclic.warmup": ("scheduler.min_lr=10%",),
    "piecewise_linear.warmup": ("scheduler.knots=[[0%,1],[100%,0]]",),
    "step.every": ("scheduler.step_size=2st",),
    "plateau.metric": LEARNING,
    "plateau.threshold": LEARNING,
    "plateau.threshold_mode": (*LEARNING, "scheduler.threshold=0.01"),
    "muon.other_momentum": ("optim.other=sgd",),
    "nadam.decoupled_weight_decay": ("optim.weight_decay=0.1",),
    "radam.decoupled_weight_decay": ("optim.weight_decay=0.1",),
    "mixup_or_cutmix.cutmix_share": ("epochs=6",),
    "mlp.hidden": ("model.hidden=[8]",),
}
# Words that a name always needs, or that make it quick.
NEEDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("augment", "color_jitter"): ("data.image_shape=[3,8,8]",),
    ("data", "digits"): ("max_steps=3", "epochs=1"),
    ("data", "digits_hard"): ("max_steps=3", "epochs=1"),
    ("data", "synthetic"): BASE[:5],
    ("model", "airnet"): ("data.image_shape=[3,16,16]", "max_steps=4"),
    ("model", "torchvision"): ("data.image_shape=[3,32,32]", "max_steps=2", "optim.lr=1e-3"),
    ("model", "vgg16"): ("data.image_shape=[3,32,32]", "max_steps=2"),
    ("model", "wide_resnet"): ("model.depth=10", "model.widen_factor=1", "max_steps=3"),
    ("scheduler", "plateau"): STUCK,
    ("average", "swa"): EARLY,
    ("loss", "distill"): (
        *("loss.teacher=one.safetensors", "loss.teacher_model=mlp"),
        "loss.teacher_args={hidden:[8]}",
    ),
    ("average", "swa_paper"): ("average.start=1ep",),
}


def keys() -> Iterator[tuple[str, str, str]]:
    """Yield group, name and field of every option."""
    for group in GROUPS:
        registry = REGISTRIES[group]
        for name in registry.names():
            if name == "none" or name in NEED_FILES:
                continue
            own = [f.name for f in fields(registry.load(name)) if f.init]
            shared = [f.name for f in fields(registry.shared)]
            for field in (*own, *shared):
                if f"{group}.{field}" not in NO_RESULT:
                    yield group, name, field


def line(group: str, name: str, field: str) -> tuple[str, ...]:
    """Return the words of a short run in which the option has something to act on."""
    chosen = f"augment=[{name}]" if group == "augment" else f"{group}={name}"
    extra = (
        *NEEDS.get((group, name), ()),
        *CONTEXT.get(f"{name}.{field}", CONTEXT.get(f"{group}.{field}", ())),
    )
    base = BASE
    if group == "data":
        base = tuple(w for w in BASE if not w.startswith("data"))
    if group == "model":
        base = tuple(w for w in BASE if not w.startswith("model"))
    merged = {w.split("=")[0]: w for w in (*base, chosen, *extra)}  # the last of each key counts
    return tuple(merged.values())


def where(group: str, name: str, field: str) -> str:
    return f"augment.{name}.{field}" if group == "augment" else f"{group}.{field}"


def other(group: str, name: str, field: str) -> object:
    """Return a value that differs from the one the option has."""
    for key in (f"{name}.{field}", f"{group}.{field}"):
        if key in OTHER:
            return OTHER[key]
    registry = REGISTRIES[group]
    owner = registry.load(name) if field in {f.name for f in fields(registry.load(name))} else None
    cls: Any = owner or registry.shared
    kind = typing.get_type_hints(cls)[field]
    (found,) = [f for f in fields(cls) if f.name == field]
    assert found.default is not MISSING, f"{group}={name}: give {field} a value in OTHER"
    return differing(kind, found.default)


def differing(kind: Any, value: Any) -> object:
    """Return another value of a type."""
    if isinstance(value, bool):
        return not value
    if typing.get_origin(kind) is typing.Literal:
        return next(a for a in typing.get_args(kind) if a != value)
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value / 2 if value else 0.25
    if isinstance(value, Duration):
        return str(Duration(value.value / 2, value.unit)) if value.value else "2st"
    if isinstance(value, Amount):
        return 8
    raise AssertionError(f"no other value known for {value!r}: give it one in OTHER")


def written(value: object) -> str:
    """Return a value as a word of the command line holds it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(written(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{written(v)}" for k, v in value.items()) + "}"
    return str(value)


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two networks as the runs here train them."""
    folder = tmp_path_factory.mktemp("teachers")
    for seed, name in enumerate(("one", "other")):
        torch.manual_seed(seed)
        network = REGISTRIES["model"].load("mlp")(hidden=(8,)).build((1, 8, 8), 6)
        safetensors.torch.save_file(network.state_dict(), folder / f"{name}.safetensors")
    return folder


@functools.cache
def outcome(overrides: tuple[str, ...]) -> tuple[object, ...]:
    """Return everything that a run's numbers are: weights, learning rates, metrics."""
    return result(compose(*overrides))


def result(config: RunConfig) -> tuple[object, ...]:
    run, _ = assemble(config, *prepare(config, World()))
    told: list[object] = []
    rates: list[float] = []
    for event in fit(run, pause=lambda clock: True):
        rates.append(float(run.optimizer.param_groups[0]["lr"]))
        if isinstance(event, EpochRecord):
            told += [event.lr, event.momentum, event.train, event.val, event.avg_val]
    averaged, _ = averaged_model(run)
    told.append(evaluate(run, run.model, run.data.test_batches()))
    groups = [run.model.state_dict(), averaged.state_dict() if averaged is not None else {}]
    return (checkpoint.digest(*groups), *rates, *map(repr, told))


@pytest.mark.slow
@pytest.mark.parametrize(("group", "name", "field"), list(keys()))
def test_an_option_moves_a_number(
    group: str, name: str, field: str, teachers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(teachers)
    overrides = line(group, name, field)
    key = where(group, name, field)
    changed = (
        *(w for w in overrides if w.split("=")[0] != key),
        f"{key}={written(other(group, name, field))}",
    )
    try:
        moved = outcome(changed) != outcome(overrides)
    except ConfigError as error:  # a shared key that has no meaning for this name says so
        moved = key in str(error) and "no effect" in str(error)
    assert moved, f"{key} does nothing for {group}={name}"


def test_the_walk_finds_the_options() -> None:
    assert len(list(keys())) >= 150


# Keys of the run itself: a value that differs, and words that give it something to act on.
RUN_KEYS: dict[str, tuple[object, tuple[str, ...]]] = {
    "seed": (1, ()),
    "epochs": (2.5, ()),
    "max_steps": (4, ()),
    "batch_size": (12, ()),
    "accumulate": (2, ()),  # BatchNorm sees smaller batches
    "clip_norm": (0.01, ()),
    "clip_value": (0.001, ()),
    "clip_adaptive": (0.001, ()),
    "label_noise": ("50%", ()),
    "tta": ("flip", ()),
    "precision": ("bf16", ()),
    "init": ("dirac", ("model=cnn", "model.width=4", "max_steps=3")),
}
# threads moves bits on some machines only, eval_batch_size memory and no number
# (tests/run/test_context.py); the rest says where and what is written.
OF_THE_RECORD = (
    *("name", "outputs", "threads", "device", "engine", "report_test", "plugins", "checkpoint"),
    *("eval_batch_size", "compile", "lint"),
)


@pytest.mark.slow
@pytest.mark.parametrize("key", RUN_KEYS)
def test_a_key_of_the_run_moves_a_number(key: str) -> None:
    value, extra = RUN_KEYS[key]
    base = tuple({w.split("=")[0]: w for w in (*BASE, *extra)}.values())
    if "model=cnn" in base:
        base = tuple(w for w in base if not w.startswith("model.hidden"))
    changed = (*(w for w in base if w.split("=")[0] != key), f"{key}={written(value)}")
    assert outcome(changed) != outcome(base), f"{key} does nothing"


def test_every_key_of_the_run_is_shown_to_move_something() -> None:
    apart = {*GROUPS, "task", "strategy", *OF_THE_RECORD, *RUN_KEYS}
    apart |= {"init_from", "fork"}  # tests/test_init_from.py, tests/test_fork.py
    # tests/run/test_time_budget.py, tests/run/test_early_stop.py
    apart |= {"max_time", "time_plan", "early_stop"}
    apart |= {"metrics"}  # tests/evaluation/test_chosen.py
    assert {f.name for f in fields(RunConfig)} - apart == set()
