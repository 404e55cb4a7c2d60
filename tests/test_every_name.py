"""Every name of every group runs a few steps, or is refused here for a reason that is said."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.command import TINY, Call
from trainer.composition import not_built as pending
from trainer.composition.search_path import SEAMS, Sources
from trainer.record.runs import read_run

pytestmark = pytest.mark.slow  # whole runs

SOURCES = Sources()
COLOUR = ("data.image_shape=[3,32,32]", "data.num_train=40", "batch_size=8")
SMALL: dict[tuple[str, str], tuple[str, ...]] = {  # what a name needs, or what makes it quick
    ("model", "wide_resnet"): ("model.depth=10", "model.widen_factor=1"),
    ("model", "resnet110"): ("data.image_shape=[3,8,8]",),
    ("scheduler", "plateau"): ("data.val=20",),
    ("precision", "fp16"): ("model=cnn", "model.width=4"),
}
# What this machine must refuse: words of the message.
REFUSED = {
    ("strategy", "ddp"): (2, "torchrun"),
    ("strategy", "dp"): (2, "two GPUs"),
    ("precision", "tf32"): (2, "tf32"),
}
NEED_FILES = ("mnist", "fashion_mnist", "cifar10", "cifar100", "cifar10_jpeg", "image_folder")


def names() -> list[tuple[str, str]]:
    """Return every name of every group but the tasks, which have tests of their own."""
    groups = [g for g in SEAMS if g != "task"]
    return [(g, n) for g in groups for n in SOURCES.options(g)]


def line(group: str, name: str) -> tuple[str, ...]:
    """Return the words of three steps with a name."""
    word = f"augment=[{name}]" if group == "augment" else f"{group}={name}"
    base = [w for w in TINY if not w.startswith("model") or group != "model"]
    if group == "data":
        base = [w for w in base if not w.startswith("data")]
    colour = COLOUR if group in ("model", "augment") else ()
    extra = SMALL.get((group, name), ())
    kept = [w for w in (*base, *colour) if w.split("=")[0] not in {e.split("=")[0] for e in extra}]
    if any(e.startswith("model=") for e in extra):
        kept = [w for w in kept if not w.startswith("model")]
    return (*kept, "max_steps=3", "epochs=3", word, *extra)


def test_the_walk_finds_every_group() -> None:
    assert len(names()) >= 70
    assert {g for g, _ in names()} == set(SEAMS) - {"task"}


@pytest.mark.parametrize(("group", "name"), names())
def test_a_name_runs_three_steps_and_is_recorded(call: Call, group: str, name: str) -> None:
    if group == "average":
        overrides = average_line(name)
    elif (group, name) == ("loss", "distill"):
        done = call(*TINY, "max_steps=2", "hydra.run.dir=teacher")
        assert done.code == 0, done.err
        overrides = (*TINY, "max_steps=3", "loss=distill", "loss.teacher=teacher")
    else:
        overrides = line(group, name)
    if group == "data" and name in NEED_FILES:
        done = call(*overrides, "data.root=nowhere", "hydra.run.dir=run")
        assert done.code == 5, done.err
        assert "nowhere" in done.err
        assert not Path("run").exists()
        return
    done = call(*overrides, "hydra.run.dir=run")
    if (group, name) in REFUSED:
        code, told = REFUSED[group, name]
        assert done.code == code
        assert told in done.err
        assert not Path("run").exists()
        return
    assert done.code == 0, done.err
    row = read_run(Path("run"))
    assert row.summary["steps"] == 3
    assert math.isfinite(row.epochs[-1].train_loss)
    chosen = row.config[group]
    meant = ("fp32", "bf16") if name == "auto" and group == "precision" else (name,)  # as resolved
    assert name in chosen if group == "augment" else chosen["name"] in meant


def average_line(name: str) -> tuple[str, ...]:
    """Return three steps of one epoch with a snapshot among them, in the units the name takes."""
    if name == "none":
        return (*TINY, "max_steps=3", "average=none")
    if name == "swa_paper":  # one snapshot an epoch
        return (*TINY, "batch_size=64", "epochs=3", "average=swa_paper", "average.start=1ep")
    every = ("average.every=1st",)
    start = () if name == "lookahead" else ("average.start=1st",)
    return (*TINY, "max_steps=3", f"average={name}", *start, *every)


def test_names_and_keys_not_built_yet_are_refused_with_those_words(call: Call) -> None:
    for group, missing in pending.NAMES.items():
        for name in missing:
            word = f"augment=[{name}]" if group == "augment" else f"{group}={name}"
            done = call(f"+{word}" if group == "sweep" else word)
            assert done.code == 2
            assert "not built yet" in done.err, word
    for key in pending.KEYS:
        done = call(f"{key}=1")
        assert done.code == 2
        assert f"{key} is not built yet" in done.err
