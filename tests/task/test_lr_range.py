"""`task=lr_range` finds a learning rate, and touches no other run."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.command import TINY, Call, snapshot
from tests.warm import Warm
from trainer.api import compose, train
from trainer.core.errors import ConfigError
from trainer.record.runs import read_run
from trainer.run.request import RunRequest
from trainer.task.base import perform
from trainer.task.lr_range import LrRange

FEW = ("task=lr_range", "task.steps=24", "task.min_lr=1e-4", "task.max_lr=3")
ON = "task.diverge_factor=1000"


def table(run: Path) -> list[dict[str, str]]:
    with open(run / "lr_range.csv", newline="") as file:
        return list(csv.DictReader(file))


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


@pytest.mark.slow
def test_a_sweep_leaves_numbers_a_picture_and_the_line_that_trains(call: Call, here: Path) -> None:
    done = call(*TINY, "data.num_train=320", *FEW, "name=mine")
    assert done.code == 0, done.err
    run = (here / "outputs" / "latest").resolve()
    assert run.parent == here / "outputs" / "mine"
    names = {p.name for p in run.iterdir()} - {"source.diff"}
    assert names == {"config.yaml", "lr_range.csv", "lr_range.png", "run.log", "summary.json"}
    said = summary(run)
    assert said["status"] == "completed"
    rows = table(run)
    assert said["steps"] == len(rows) == 24
    assert float(rows[0]["lr"]) == pytest.approx(1e-4)
    assert float(rows[-1]["lr"]) == pytest.approx(3.0)
    found = said["lr_range"]
    assert found["suggestion"] == float(f"{found['steepest']:.2g}")
    assert f"suggests  lr {found['suggestion']:g}" in done.out
    (line,) = [line for line in done.out.splitlines() if line.startswith("train ")]
    assert line.split()[-3:] == [
        f"repeat={run.relative_to(here)}",
        "task=train",
        f"optim.lr={found['suggestion']:g}",
    ]
    trained = call(*line.split()[4:], "max_steps=1")
    assert trained.code == 0, trained.err
    row = read_run((here / "outputs" / "latest").resolve())
    assert row.config["optim"]["lr"] == found["suggestion"]
    assert row.config["data"]["num_train"] == 320


@pytest.mark.slow
def test_training_gives_the_same_bits_before_and_after(here: Path) -> None:
    overrides = (*TINY, "mix=mixup", "optim=adam")
    before = train(compose(*overrides), folder="before", quiet=True)
    kept, generator = snapshot(here), torch.get_rng_state()
    perform(RunRequest(compose(*overrides, *FEW), folder="range", quiet=True))
    assert torch.equal(torch.get_rng_state(), generator)
    assert {k: v for k, v in snapshot(here).items() if not k.startswith("range")} == kept
    after = train(compose(*overrides), folder="after", quiet=True)
    assert before.summary["weights_sha256"] == after.summary["weights_sha256"]


@pytest.mark.slow
def test_the_sweep_begins_where_training_would(here: Path) -> None:
    overrides = (*TINY, "max_steps=1", "batch_size=58")
    perform(RunRequest(compose(*overrides, *FEW), folder="range", quiet=True))
    row = train(compose(*overrides), folder="run", quiet=True)
    assert float(table(here / "range")[0]["loss"]) == pytest.approx(row.epochs[0].train_loss)


@pytest.mark.parametrize(
    "overrides",
    [
        ("optim=adam", "mix=mixup", "accumulate=2"),
        ("precision=bf16", "average=ema", "clip_norm=1.0"),
        ("precision=fp64", "scheduler=cosine", "augment=[shift]"),
    ],
    ids=lambda overrides: overrides[0],
)
@pytest.mark.slow
def test_it_works_with_every_part(here: Path, overrides: tuple[str, ...]) -> None:
    row = perform(RunRequest(compose(*TINY, *overrides, *FEW, ON), folder="range", quiet=True))
    assert row is not None
    assert row.status == "completed"
    losses = [float(r["loss"]) for r in table(here / "range")]
    assert all(math.isfinite(loss) for loss in losses)
    assert len(set(losses)) == len(losses) == 24


@pytest.mark.slow
def test_a_loss_that_leaves_is_a_result(call: Call, here: Path) -> None:
    done = call(*TINY, "model.norm=none", *FEW, "task.max_lr=1e9", "hydra.run.dir=run")
    assert done.code == 0, done.err
    rows = table(here / "run")
    assert len(rows) < 24
    assert summary(here / "run")["lr_range"]["diverged_at"] == float(rows[-1]["lr"])
    assert "the loss left at lr" in done.out


@pytest.mark.slow
def test_nothing_is_suggested_where_nothing_falls(call: Call, here: Path) -> None:
    done = call(*TINY, "task=lr_range", "task.min_lr=1e-12", "task.max_lr=1e-10")
    assert done.code == 0, done.err
    assert "suggests  nothing: the loss did not fall" in done.out
    assert "task=train" not in done.out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("min_lr", "0", "task.min_lr must be positive and below task.max_lr"),
        ("min_lr", "11", "got 11 and 10"),
        ("max_lr", "-1", "task.max_lr"),
        ("steps", "9", "task.steps must be at least 10"),
        ("diverge_factor", "1", "task.diverge_factor must be above 1"),
        ("smooth", "1ep", "task.smooth must be in steps"),
        ("smooth", "0.1%", "task.smooth=0.1% is 0 of 200 steps"),
        ("smooth", "30%", "at most a quarter"),
        ("smooth", "5", "5st"),
        ("rule", "best", "task.rule"),
        ("picture", "a.png", "task.picture"),
    ],
)
def test_bad_settings_are_refused(call: Call, here: Path, key: str, value: str, told: str) -> None:
    done = call(*TINY, "task=lr_range", f"task.{key}={value}")
    assert done.code == 2
    assert told in done.err
    assert snapshot(here) == {}


def test_the_rule_and_the_smoothing_are_used() -> None:
    assert LrRange(steps=100).width == 4
    with pytest.raises(ConfigError, match=r"task\.smooth"):
        LrRange(steps=10)  # 4 % of them is no step
    assert LrRange(steps=20, smooth=LrRange().smooth).width == 1


def test_a_used_folder_is_refused_before_data_is_loaded(call: Call, here: Path) -> None:
    (here / "full").mkdir()
    (here / "full" / "kept").write_text("kept")
    done = call(*FEW, "hydra.run.dir=full", "data=mnist", "data.root=nowhere")
    assert done.code == 2
    assert "full is not empty" in done.err


@pytest.mark.slow
def test_neither_a_sweep_nor_a_resume_takes_it(call: Call, here: Path) -> None:
    done = call("-m", *TINY, *FEW, "seed=0,1")
    assert done.code == 2
    assert "a sweep is for task=train" in done.err
    assert call(*TINY, *FEW, "hydra.run.dir=run").code == 0
    done = call("resume=run")
    assert done.code == 2
    assert "resume= is for task=train" in done.err


@pytest.mark.slow
def test_two_processes_find_what_one_does(warm: Warm, here: Path) -> None:
    parts = ("model=lenet5", "precision=fp64", "augment=[shift]")
    overrides = (*(w for w in TINY if not w.startswith("model")), *parts, *FEW)
    perform(RunRequest(compose(*overrides), folder="one", quiet=True))
    words = ["--standalone", "--nproc-per-node=2", "-m", "trainer", *overrides]
    process = warm.torchrun([*words, "hydra.run.dir=two"], here)
    out, err = process.communicate()
    assert process.wait() == 0, err
    assert out.count("suggests") == 1
    one, two = ([float(r["loss"]) for r in table(here / name)] for name in ("one", "two"))
    assert one == pytest.approx(two, rel=1e-9)
