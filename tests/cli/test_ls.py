"""`ls`: what is listed, in which order, and what is wrong with what is damaged."""

from __future__ import annotations

import datetime
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.records import put_run, put_sweep
from tests.command import TINY, Call, snapshot
from trainer.cli import ls as module
from trainer.composition.overrides import quote
from trainer.record.run_folder import Folder


@pytest.fixture
def outputs(here: Path) -> Path:
    """Two runs, a sweep that links to one of them, a damaged run, one outside."""
    put_run(here / "outputs" / "default" / "old", when=1, top1=0.9)
    put_run(here / "outputs" / "default" / "new", when=9, status="unfinished")
    jobs = ("completed", "completed", "diverged", "missing", "link:outputs/default/old")
    put_sweep(here / "outputs" / "lr" / "sweep", jobs, when=5)
    put_run(here / "outputs" / "default" / "bad", when=3)
    (here / "outputs" / "default" / "bad" / "config.yaml").write_text("seed: [")
    os.utime(here / "outputs" / "default" / "bad" / "config.yaml", (180, 180))
    (here / "outputs" / "latest").symlink_to("default/new")
    return here / "outputs"


def listed(call: Call, *arguments: str) -> list[dict[str, Any]]:
    done = call("ls", "--json", *arguments)
    assert (done.code, done.err) == (0, "")
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def test_runs_and_sweeps_are_listed_newest_first(call: Call, outputs: Path) -> None:
    before = snapshot(outputs)
    found = listed(call)
    assert [(e["kind"], e["path"], e["status"]) for e in found] == [
        ("run", "outputs/default/new", "unfinished"),
        ("sweep", "outputs/lr/sweep", "mixed"),
        ("run", "outputs/default/bad", "damaged"),
        ("run", "outputs/default/old", "completed"),
    ]
    assert "cannot read" in found[2]["message"]
    sweep, old = found[1], found[3]
    assert sweep["jobs"] == {"completed": 3, "diverged": 1, "missing": 1}
    assert sweep["name"] == "lr"
    assert sweep["overrides"] == ["optim.lr=0.0,0.1,0.2,0.3,0.4", "mix=mixup"]
    assert (old["epochs"], old["steps"], old["val_top1"]) == (2.0, 20, 0.9)
    assert old["test_top1"] == pytest.approx(0.89)
    assert datetime.datetime.fromisoformat(old["started"]).timestamp() == 60
    assert snapshot(outputs) == before


@pytest.mark.slow
def test_a_real_run_is_listed_with_its_overrides(call: Call, here: Path) -> None:
    assert call(*TINY, "max_steps=1", "name=mine", "average=ema").code == 0
    (entry,) = listed(call)
    assert entry["overrides"] == [*TINY, "max_steps=1", "name='mine'", "average=ema"]
    assert (entry["name"], entry["status"], entry["steps"]) == ("mine", "completed", 1)
    assert entry["test_avg_top1"] is not None
    (line,) = call("ls").out.splitlines()[1:]
    assert entry["started"][:16].replace("T", " ") in line
    assert f"{100 * entry['test_avg_top1']:.2f} %" in line
    assert line.endswith(" ".join(entry["overrides"]))


def test_what_is_listed_can_be_chosen(call: Call, outputs: Path) -> None:
    def paths(*arguments: str) -> list[str]:
        return [Path(entry["path"]).name for entry in listed(call, *arguments)]

    assert paths("--status", "completed") == ["sweep", "old"]
    assert paths("--status", "missing") == ["sweep"]
    assert paths("--status", "damaged") == ["bad"]
    assert paths("--name", "l*") == ["sweep"]
    assert paths("--name", "default", "--status", "diverged") == []
    assert paths("outputs/default") == ["new", "bad", "old"]
    # the jobs of a sweep that is named, without the run elsewhere that one of them links to
    assert [e["status"] for e in listed(call, "outputs/lr/sweep")] == [
        "completed",
        "completed",
        "diverged",
    ]
    assert call("ls", "--status", "done").code == 2


def test_nothing_to_list_is_no_mistake_but_a_folder_that_is_not_there(
    call: Call, here: Path
) -> None:
    assert listed(call) == []
    assert call("ls", "outputs").code == 4
    (here / "outputs").mkdir()
    assert listed(call) == []


def test_a_run_that_is_being_written_is_running(call: Call, outputs: Path) -> None:
    folder = Folder(outputs / "default" / "new")
    folder.lock()
    assert listed(call)[0]["status"] == "running"
    folder.close()
    assert listed(call)[0]["status"] == "unfinished"
    (outputs / "default" / "new" / ".lock").write_text("")  # of a process that was killed
    assert listed(call)[0]["status"] == "unfinished"


@pytest.mark.parametrize("name", ["mine", "it's", "a b", "'q'"])
def test_a_sweep_has_the_name_that_was_typed(call: Call, outputs: Path, name: str) -> None:
    file = outputs / "lr" / "sweep" / "sweep.yaml"
    jobs = yaml.safe_load(file.read_text())
    for job in jobs:
        job["overrides"].append(f"name={quote(name)}")
    file.write_text(yaml.safe_dump(jobs))
    (found,) = listed(call, "--name", name)
    assert (found["kind"], found["name"]) == ("sweep", name)


def test_a_damaged_list_of_jobs_is_named(call: Call, outputs: Path) -> None:
    (outputs / "lr" / "sweep" / "sweep.yaml").write_text("jobs")
    entry = next(e for e in listed(call) if e["kind"] == "sweep")
    assert entry["status"] == "damaged"
    assert "must list jobs" in entry["message"]


def test_the_list_is_a_line_each_in_a_pipe_and_fits_a_terminal(
    call: Call, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = call("ls").out.splitlines()
    assert len(lines) == 5
    assert lines[0].split() == [
        *("started", "name", "status", "epochs", "val", "test"),
        *("folder", "and", "overrides"),
    ]
    assert "outputs/lr/sweep  (5 jobs: 3 completed, 1 diverged, 1 missing) optim.lr=" in lines[2]
    assert lines[4].split()[4:] == ["2", "90.00", "%", "89.00", "%", "outputs/default/old"]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    wrapped = list(module.lines_of(module.entries(["outputs"])))
    pieces = [line for entry in wrapped for line in entry.splitlines()]
    assert max(len(line) for line in pieces if len(line.split()) > 1) <= 80  # a path is kept whole
    assert " ".join(" ".join(wrapped).split()) == " ".join(" ".join(lines).split())
