"""Decay on a plateau is ReduceLROnPlateau's, and goes on exactly after a checkpoint."""

from __future__ import annotations

import io
import json
import math
import random
import shutil
from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tests.command import TINY, Call
from tests.scheduler.trace import PEAK, schedule, span
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.metrics import Scores
from trainer.scheduler.base import Schedule
from trainer.scheduler.plateau import Plateau

EPOCHS, PER_EPOCH = 400, 3
TOTAL = EPOCHS * PER_EPOCH


def scores(loss: float, top1: float = 0.0) -> Scores:
    return Scores(loss, top1, None, 1)


def walk(made: Schedule, values: list[float], total: int = TOTAL) -> list[float]:
    """The factor of each epoch's steps, validation giving one value after another."""
    trace = []
    for epoch, value in enumerate(values):
        first, end = epoch * PER_EPOCH, (epoch + 1) * PER_EPOCH
        held = {made(Clock(t, total, PER_EPOCH)).lr_scale for t in range(first, end)}
        assert len(held) == 1
        trace += held
        made.observe(Clock(end, total, PER_EPOCH), scores(value, value))
    return trace


def make(part: Plateau, total: int = TOTAL, **keys) -> Schedule:
    return schedule(part, total, PER_EPOCH, **{"every": "1ep", **keys})


def test_by_hand_two_epochs_are_borne_and_the_third_drops() -> None:
    part = Plateau(factor=0.5, patience=span("2ep"), cooldown=span("1ep"))
    losses = [1.0, 0.9, 0.9, 0.95, 0.9, 0.9, 0.9, 0.9, 0.9, 0.8]
    #                   bad  bad   drop cool bad  bad  drop
    assert walk(make(part), losses) == [1.0] * 5 + [0.5] * 4 + [0.25]


CASES = [
    {"factor": 0.3, "patience": 0},
    {"factor": 0.5, "patience": 3, "threshold": 0.05},
    {"factor": 0.7, "patience": 2, "cooldown": 3, "threshold": 0.2},
    {"factor": 0.6, "patience": 1, "threshold": 0.1, "threshold_mode": "abs"},
    {"factor": 0.8, "patience": 2, "cooldown": 1, "min_lr": 0.01},
]


@pytest.mark.parametrize("metric", ["val_loss", "val_top1"])
@pytest.mark.parametrize("case", CASES)
def test_parity_with_torch(metric: str, case: dict[str, object]) -> None:
    draw = random.Random(7)
    values = [draw.uniform(0.2, 0.3) + 0.5 * 0.99**i for i in range(EPOCHS)]
    if metric == "val_top1":
        values = [1.0 - value for value in values]
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=PEAK)
    mode = "min" if metric == "val_loss" else "max"
    theirs = ReduceLROnPlateau(optimizer, mode, eps=0.0, **case)
    expected = []
    for value in values:
        expected.append(optimizer.param_groups[0]["lr"] / PEAK)
        theirs.step(value)
    own = dict(case)
    keys = {"min_lr": own.pop("min_lr")} if "min_lr" in own else {}
    for key in ("patience", "cooldown"):
        own[key] = span(f"{own.get(key, 0)}ep")
    got = walk(make(Plateau(metric, **own), **keys), values)
    assert got == pytest.approx(expected, rel=1e-9, abs=0)
    assert len(set(got)) >= 4


def test_every_other_epoch_is_every_other_call_of_step() -> None:
    part = Plateau(factor=0.5, patience=span("0ep"))
    losses = [1.0, 9.0, 0.9, 2.0, 0.8, 2.5, 0.7, 9.0]  # the second, fourth, ... are looked at
    got = walk(make(part, every="2ep"), losses)
    assert got == [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5]


def test_epochs_that_end_during_warm_up_are_not_observed() -> None:
    part = Plateau(factor=0.5, patience=span("0ep"))
    made = make(part, warmup="2ep")
    for epoch in range(1, 6):  # of these the third to the fifth count: better, worse, worse
        made.observe(Clock(epoch * PER_EPOCH, TOTAL, PER_EPOCH), scores(float(epoch)))
    assert made(Clock(5 * PER_EPOCH, TOTAL, PER_EPOCH)).lr_scale == 0.25


def test_a_score_that_is_no_number_is_no_improvement() -> None:
    part = Plateau(factor=0.5, patience=span("0ep"))
    assert walk(make(part), [math.nan, 1.0, math.nan, 0.5]) == [1.0, 0.5, 0.5, 0.25]


def test_two_schedules_of_one_component_have_states_of_their_own() -> None:
    part = Plateau(factor=0.5, patience=span("0ep"))
    one, other = make(part), make(part)
    walk(one, [1.0, 2.0])
    assert one(Clock(6, TOTAL, PER_EPOCH)).lr_scale == 0.5
    assert other(Clock(6, TOTAL, PER_EPOCH)).lr_scale == 1.0


def test_the_state_goes_through_a_file_of_plain_data() -> None:
    part = Plateau(factor=0.5, patience=span("1ep"), cooldown=span("2ep"))
    draw = random.Random(3)
    losses = [draw.random() for _ in range(40)]
    whole = walk(make(part), losses)
    for cut in range(1, 20):
        before, after = make(part), make(part)
        head = walk(before, losses[:cut])
        file = io.BytesIO()
        torch.save(before.state_dict(), file)
        file.seek(0)
        after.load_state_dict(torch.load(file, weights_only=True))
        assert head + walk(after, losses[cut:]) == whole


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metric": "val_top5"}, r"scheduler\.metric"),
        ({"factor": 1.1}, r"scheduler\.factor must be in \(0, 1\], got 1\.1"),
        ({"factor": 0.0}, r"scheduler\.factor must be in \(0, 1\]"),
        ({"threshold": -0.1}, r"scheduler\.threshold must be 0 or more"),
        ({"threshold": 1.0}, r"scheduler\.threshold must be .*less than 1"),
        ({"threshold_mode": "sum"}, r"scheduler\.threshold_mode"),
        ({"patience": 10}, r"scheduler\.patience=10ep"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Plateau, values, "scheduler")


def test_a_pace_below_an_epoch_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.every must be at least 1ep"):
        make(Plateau(), every="1st")


# A loss has to fall below a hundredth to count: after the first epoch each drops the lr.
DROPS = ("scheduler=plateau", "scheduler.patience=0ep", "scheduler.threshold=0.99", "epochs=5")


def lrs(run: Path) -> list[float]:
    return [json.loads(line)["lr"] for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_run_feeds_it_and_a_resumed_one_ends_with_the_same_bits(call: Call, here: Path) -> None:
    run = here / "run"
    overrides = (*TINY, *DROPS, "optim.lr=0.1", "checkpoint.every=1ep", "checkpoint.keep=all")
    assert call(*overrides, f"hydra.run.dir={run}").code == 0
    assert lrs(run) == pytest.approx([0.1, 0.1, 0.01, 0.001, 0.0001])
    before = json.loads((run / "summary.json").read_text())
    rows = lrs(run)
    for path in sorted((run / "checkpoints").iterdir())[2:]:  # back to the end of the second epoch
        shutil.rmtree(path)
    (run / "summary.json").unlink()
    resumed = call(f"resume={run}")
    assert resumed.code == 0, resumed.err
    assert "resumed at step 8" in resumed.out
    assert lrs(run) == rows
    after = json.loads((run / "summary.json").read_text())
    assert after["weights_sha256"] == before["weights_sha256"]


def test_without_validation_it_is_refused_before_data_is_read(call: Call, here: Path) -> None:
    refused = call("data=mnist", "data.root=nowhere", "data.val=0", "scheduler=plateau")
    assert refused.code == 2
    assert "data.val=0 leaves scheduler=plateau nothing to watch" in refused.err
    assert list(here.iterdir()) == []
