"""A run that no longer improves ends after the evaluation at which patience ran out; resumed or
not, on one rank or two."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import TINY, Call
from tests.training import assembled
from tests.warm import Warm
from trainer import compose
from trainer.config.early_stop import EarlyStop
from trainer.core.units import Duration
from trainer.metrics import LARGER_IS_BETTER, watchable
from trainer.record.runs import ROW, EpochRow
from trainer.run.early_stop import out_of_patience

WILD = (*TINY, "optim.lr=1.0", "epochs=40", "report_test=false")  # overfits at once


def summary(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return found


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def stops_at(values: list[float], *, larger: bool, patience: int) -> int | None:
    """Return the number, from 1, of the value after which it ends: a loop written by hand."""
    for n in range(1, len(values) + 1):
        seen = values[:n]
        best = max(seen) if larger else min(seen)
        if n - 1 - seen.index(best) >= patience:
            return n
    return None


@pytest.mark.slow
@pytest.mark.parametrize("metric", sorted(LARGER_IS_BETTER))
def test_patience_runs_out_as_in_a_loop_written_by_hand(metric: str) -> None:
    with assembled(*TINY, "epochs=100") as run:
        per_epoch = run.data.steps_per_epoch

        @given(
            st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=20),
            st.integers(1, 4),
        )
        def check(values: list[float], patience: int) -> None:
            run.state.patience = {}
            config = EarlyStop(Duration(patience, "ep"), metric)
            stopped = None
            for n, value in enumerate(values, 1):
                named: dict[str, Any] = {metric: value}
                row = EpochRow(
                    **{"epoch": n, "step": n * per_epoch, "lr": 0.1, "train_loss": 9.0}
                    | {"train_top1": 0.0}
                    | named
                )
                if out_of_patience(config, row, run):
                    stopped = n
                    break
            larger = LARGER_IS_BETTER[metric]
            assert stopped == stops_at(values, larger=larger, patience=patience)

        check()


def test_epochs_that_do_not_measure_it_do_not_count() -> None:
    with assembled(*TINY, "epochs=100") as run:
        config = EarlyStop(Duration(2, "ep"), "avg_val_loss")
        row = EpochRow(epoch=9, step=36, lr=0.1, train_loss=1.0, train_top1=0.5)
        assert not out_of_patience(config, row, run)
        assert run.state.patience == {}


def test_what_can_be_watched_is_what_rows_hold() -> None:
    everything = watchable(has_val=True, has_average=True)
    assert everything == dict(LARGER_IS_BETTER)
    assert everything.keys() <= ROW
    assert set(watchable(has_val=False, has_average=True)) == {"train_loss", "train_top1"}
    assert "val_loss" in watchable(has_val=True, has_average=False)
    assert "avg_val_loss" not in watchable(has_val=True, has_average=False)


REFUSED = {
    "early_stop.patience=5": "needs a unit",
    "early_stop.patience=0ep": "bears nothing",
    "early_stop.patience=2ep": "as long as the run",
    "early_stop.patience=100%": "as long as the run",
    "early_stop.metric=val_top1": "has no effect without early_stop.patience",
    "early_stop.patience=1ep early_stop.metric=val_tp1": "did you mean 'val_top1'?",
    "early_stop.patience=1ep early_stop.metric=avg_val_loss": "average=none leaves no averaged",
    "early_stop.patience=1ep data.val=0": "data.val=0 leaves no image to measure it on",
    "checkpoint.best=0": "at least 1",
    "checkpoint.best=2 data.val=0": "no checkpoint is better than another",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_watched_is_refused(call: Call, here: Path, line: str) -> None:
    refused = call(*TINY, *line.split())
    assert refused.code == 2, refused.err
    assert REFUSED[line] in refused.err
    assert list(here.iterdir()) == []


@pytest.mark.slow
def test_without_validation_training_can_be_watched() -> None:
    config = compose(*TINY, "data.val=0", "early_stop.patience=1ep", "early_stop.metric=train_loss")
    assert config.early_stop.metric == "train_loss"


@pytest.mark.slow
def test_it_stops_says_so_and_names_the_best(call: Call, here: Path) -> None:
    words = (*WILD, "early_stop.patience=3ep", "early_stop.metric=val_top1", "checkpoint.best=3")
    done = call(*words, "checkpoint.every=3st", "hydra.run.dir=run", "--json")
    assert done.code == 0, done.err
    found, told = summary(here / "run"), rows(here / "run")
    values = [row["val_top1"] for row in told]
    assert stops_at(values, larger=True, patience=3) == len(values)
    assert found["status"] == "completed"
    assert found["stopped_early"] == found["steps"] == told[-1]["step"] < 160
    line = f"stopped early at step {found['steps']}: val_top1 has not improved for 3ep"
    assert line in done.out
    assert line in (here / "run" / "run.log").read_text()
    assert json.loads(done.out.splitlines()[-1])["stopped_early"] == found["steps"]
    in_order = sorted(told, key=lambda row: (-row["val_top1"], row["step"]))
    best = [f"checkpoints/step-{row['step']:08d}" for row in in_order[:3]]
    assert found["best_checkpoints"] == best
    assert found["best_checkpoint"] == best[0]
    kept = {f"checkpoints/{p.name}" for p in (here / "run" / "checkpoints").iterdir()}
    assert kept == {*best, f"checkpoints/step-{found['steps']:08d}"}
    for i, last in enumerate((told[0]["step"] + 3, told[-2]["step"], told[-1]["step"])):
        again = here / f"again{i}"
        shutil.copytree(here / "run", again)
        (again / "summary.json").unlink()
        done = call(*words, "checkpoint.keep=all", "checkpoint.every=3st", f"hydra.run.dir=k{i}")
        assert done.code == 0, done.err
        shutil.rmtree(again / "checkpoints")
        shutil.copytree(here / f"k{i}" / "checkpoints", again / "checkpoints")
        for folder in (again / "checkpoints").iterdir():
            if int(folder.name[5:]) > last:
                shutil.rmtree(folder)
        done = call(f"resume={again.name}")
        assert done.code == 0, done.err
        ended = summary(again)
        for key in ("weights_sha256", "stopped_early", "best_checkpoints", "steps", "key"):
            assert ended[key] == found[key], (key, last)
        assert [row["val_top1"] for row in rows(again)] == values


@pytest.mark.slow
def test_a_run_that_is_not_stopped_has_no_word_of_it(call: Call, here: Path) -> None:
    assert call(*TINY, "early_stop.patience=1ep", "hydra.run.dir=a").code == 0
    assert call(*TINY, "hydra.run.dir=b").code == 0
    one, other = summary(here / "a"), summary(here / "b")
    assert "stopped_early" not in one
    assert one["weights_sha256"] == other["weights_sha256"]
    assert "best_checkpoints" not in other
    assert "planned" not in other


@pytest.mark.slow
def test_two_processes_stop_together(warm: Warm, here: Path) -> None:
    words = (*WILD, "early_stop.patience=3ep", "hydra.run.dir=two", "--json")
    running = warm.torchrun(["--standalone", "--nproc-per-node=2", "-m", "trainer", *words], here)
    out, err = running.communicate()
    assert running.returncode == 0, err
    assert [line[:1] for line in out.splitlines()].count("{") == 1
    said = json.loads(out.splitlines()[-1])
    values = [row["val_loss"] for row in rows(here / "two")]
    assert said["stopped_early"] == said["steps"] < 160
    assert stops_at(values, larger=False, patience=3) == len(values)


@pytest.mark.slow
def test_a_fork_begins_with_patience_and_best_of_its_own(call: Call, here: Path) -> None:
    words = (*WILD, "early_stop.patience=3ep", "hydra.run.dir=run")
    assert call(*words).code == 0
    step = summary(here / "run")["steps"]
    more = ("early_stop.patience=5ep", f"max_steps={step + 8}", "hydra.run.dir=on")
    done = call(f"fork=run@{step}", *more)
    assert done.code == 0, done.err
    ended = summary(here / "on")
    assert ended["steps"] == step + 8
    assert int(ended["best_checkpoint"][-8:]) > step
