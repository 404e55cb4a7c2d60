"""The table that ends a sweep: every job is counted, every key can be told."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from tests.command import TINY, Call
from trainer.composition.search_path import Sources
from trainer.core.errors import DiskError, TrainerError
from trainer.record import console
from trainer.record.runs import EpochRow, RunRow
from trainer.sweep.jobs import Job, Sweep
from trainer.sweep.results import finish, results_table, short_names


def run(score: float, status: str = "completed", key: str | None = None) -> RunRow:
    row = EpochRow(epoch=1, step=1, lr=0.1, train_loss=1.0, train_top1=0.5, val_top1=score)
    return RunRow(Path("run"), {}, (row,), status, key=key)


def shown(
    values: Mapping[int, Mapping[str, str]], rows: Mapping[int, RunRow], width: int
) -> list[str]:
    """Return the table's lines as a screen of a width shows them."""
    screen = Console(width=width, file=io.StringIO(), record=True)
    screen.print(results_table(values, rows, width))
    return [line.rstrip() for line in screen.export_text().splitlines()]


def test_every_job_is_in_a_mean_diverged_or_failed() -> None:
    values = {n: {"optim.lr": lr, "seed": str(n)} for n, lr in enumerate("1112223")}
    rows = {0: run(0.5), 1: run(0.7), 3: run(0.1, "diverged")}
    lines = [line.split() for line in shown(values, rows, 120)]
    assert lines == [
        ["lr", "val_top1", "sd", "se", "n", "diverged", "failed"],
        ["1", "60.00", "%", "14.14", "%", "10.00", "%", "2", "0", "1"],
        ["2", "0", "1", "2"],
        ["3", "0", "0", "1"],
    ]


def test_a_run_that_is_there_twice_is_counted_once() -> None:
    values = {n: {"optim.lr": "1", "seed": seed} for n, seed in enumerate("0011")}
    rows = {n: run(0.5 + 0.2 * int(seed), key=seed) for n, seed in enumerate("0011")}
    (_, line) = [line.split() for line in shown(values, rows, 120)]
    assert line == ["1", "60.00", "%", "14.14", "%", "10.00", "%", "2"]


@pytest.mark.slow
def test_a_sweep_with_one_value_twice_says_so(call: Call) -> None:
    done = call("-m", *TINY, "max_steps=1", "optim.lr=1e-3,0.001", "hydra.launcher.workers=1")
    assert done.code == 0
    assert "1 of 2 results repeat another job's, down to the seed" in done.out


def test_settings_are_in_the_order_of_their_numbers() -> None:
    lrs, spans = ("0.1", "1e-3", "0.05"), ("10%", "5%")
    values = {
        i: {"optim.lr": lr, "scheduler.warmup": span, "mix": mix}
        for i, (lr, span, mix) in enumerate(
            (lr, span, mix) for lr in lrs for span in spans for mix in ("none", "cutmix")
        )
    }
    lines = [line.split()[:3] for line in shown(values, {i: run(0.5) for i in values}, 120)]
    assert lines[1:] == [
        [lr, span, mix]
        for lr in ("1e-3", "0.05", "0.1")
        for span in ("5%", "10%")
        for mix in ("none", "cutmix")
    ]


def test_four_keys_have_their_columns_on_a_narrow_screen() -> None:
    values = {
        i: {"batch_size": "16", "optim.lr": "0.05", "optim.weight_decay": w, "seed": str(i)}
        for i, w in enumerate(("1e-3", "1e-3", "0", "0"))
    }
    heads, *lines = shown(values, {i: run(0.1 * i) for i in values}, 80)
    assert heads.split() == ["batch_size", "lr", "weight_decay", "val_top1", "sd", "se", "n"]
    assert len(lines) == 2


def test_single_runs_have_no_empty_columns_of_spread() -> None:
    (heads, line) = shown({0: {}}, {0: run(0.5)}, 80)
    assert heads.split() == ["all", "val_top1", "n"]
    assert line.split() == ["runs", "50.00", "%", "1"]


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["optim.lr", "optim.weight_decay", "batch_size"], ["lr", "weight_decay", "batch_size"]),
        (["average.every", "scheduler.every"], ["average.every", "scheduler.every"]),
        (["optim.lr", "lr"], ["optim.lr", "lr"]),
        (["model", "augment.a.size", "augment.b.size"], ["model", "a.size", "b.size"]),
        (["mix.n", "data.split.seed"], ["mix.n", "split.seed"]),
    ],
)
def test_keys_are_as_short_as_tells_them_apart(keys: list[str], names: list[str]) -> None:
    assert short_names(keys) == names


@pytest.mark.parametrize("width", [70, 76, 78, 80])
def test_no_number_is_broken(width: int) -> None:
    values = {
        s: {"optim.lr": "0.01492", "optim.weight_decay": "1.269e-05", "seed": str(s)}
        for s in range(2)
    }
    lines = shown(values, {0: run(0.5), 1: run(0.75)}, width)
    assert max(map(len, lines)) <= width
    assert any("1.269e-05" in line for line in lines)


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_on_a_narrow_screen(width: int) -> None:
    keys = ("optim.lr", "optim.weight_decay", "average.start", "average.every", "scheduler")
    cells = ("0.0123", "0.00123", "75%", "100st", "piecewise_linear")
    values = {s: {**dict(zip(keys, cells, strict=True)), "seed": str(s)} for s in range(3)}
    lines = shown(values, {0: run(0.5), 1: run(0.75)}, width)
    assert max(map(len, lines)) <= width
    told = "".join(line[: lines[0].index("val_top1")] for line in lines).replace(" ", "")
    assert all(word in told for word in ("weight_decay", *cells))
    for word in ("62.50 %", "17.68 %", "12.50 %", "failed"):
        assert word in "".join(lines)
    assert told.startswith("setting") == (width == 80)


def test_a_single_long_value_is_broken() -> None:
    lines = shown({0: {"model.hidden": "8," * 60}}, {0: run(0.5)}, 80)
    assert max(map(len, lines)) <= 80
    assert "".join(line.split()[0] for line in lines[1:]) == "8," * 60


def test_a_table_that_cannot_be_written_was_shown(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(folder: Path) -> None:
        jobs = [Job(n, (f"seed={n}",)) for n in range(2)]
        finish(jobs, {0: run(0.5)}, folder, console.Console(), Sweep(Sources()))

    sweep = here / "sweep"
    sweep.mkdir()
    end(sweep)
    before = (sweep / "table.csv").read_text()
    assert len(before.splitlines()) == 3

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(DiskError, match="no space left"):
            end(sweep)
    assert (sweep / "table.csv").read_text() == before

    shutil.rmtree(here)  # the working folder too
    capsys.readouterr()
    with pytest.raises(TrainerError, match=r"cannot write .*table\.csv: no such file or directory"):
        end(sweep)
    said = capsys.readouterr().out
    assert "50.00 %" in said
    assert "no result from 1 of 2 jobs: 1" in said
    here.mkdir()
