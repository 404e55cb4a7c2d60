"""Runs that were ended, and folders in which somebody put something else under a run's names."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.command import TINY, snapshot
from tests.warm import Warm
from trainer.record.runs import read_run

PLACES = (".lock", "run.log", "metrics.jsonl", "summary.json", "tensorboard")


@pytest.mark.slow
def test_what_is_no_file_of_a_run_is_named_and_nothing_is_touched(warm: Warm, here: Path) -> None:
    run = here / "run"
    overrides = [*TINY, "epochs=40", "checkpoint.every=5st", f"hydra.run.dir={run}"]
    assert warm.run(overrides, here, kill=signal.SIGKILL).code == -signal.SIGKILL
    for name in PLACES:
        place, aside = run / name, here / "aside"
        if place.exists():
            place.rename(aside)
        if name == "tensorboard":
            place.write_text("a file")
        else:
            place.mkdir()
        before = snapshot(here)
        done = warm.run([f"resume={run}"], here)
        assert done.code == 2, (name, done.err)
        assert f"error: {place} must be a f" in done.err
        assert done.err.count("\n") == 1
        assert snapshot(here) == before
        place.unlink() if name == "tensorboard" else place.rmdir()
        if aside.exists():
            aside.rename(place)
    assert warm.run([f"resume={run}"], here).code == 0


@pytest.mark.slow
def test_the_seconds_of_an_interrupted_epoch_count(warm: Warm, here: Path) -> None:
    run = here / "run"
    overrides = [*TINY, "data.num_train=640", "epochs=60", "checkpoint.every=5st"]
    ended = warm.run([*overrides, f"hydra.run.dir={run}"], here, kill=signal.SIGTERM)
    assert ended.code == 143, ended.err
    stopped = read_run(run)
    in_epochs = sum(row.train_s or 0.0 for row in stopped.epochs)
    assert stopped.summary["steps"] % 36 != 0  # within an epoch
    assert stopped.seconds["train"] > in_epochs
    resumed = warm.run([f"resume={run}"], here)
    assert resumed.code == 0, resumed.err
    finished = read_run(run)
    in_epochs = sum(row.train_s or 0.0 for row in finished.epochs)
    assert finished.seconds["train"] == pytest.approx(in_epochs, abs=0.001)
    assert finished.seconds["total"] > finished.seconds["train"] > stopped.seconds["train"]
    (opening,) = [line for line in resumed.out.splitlines() if "parameters; " in line]
    assert opening.endswith("; cpu, 1 thread; run")
