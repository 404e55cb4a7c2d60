"""With `--json` the last line of standard output is one object, however a command line ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import TINY, Call, Outcome
from tests.warm import Warm


def last(outcome: Outcome) -> dict[str, Any]:
    """Return the object of the last line; no other line may be one."""
    lines = outcome.out.splitlines()
    assert outcome.out.endswith("\n")
    assert [line for line in lines if line.startswith("{")] == lines[-1:]
    found: dict[str, Any] = json.loads(lines[-1])
    assert found["exit_code"] == outcome.code
    return found


@pytest.mark.slow
def test_a_run_a_task_and_a_sweep_say_how_they_ended(call: Call, here: Path) -> None:
    run = last(call(*TINY, "--json", "hydra.run.dir=run"))
    record = json.loads((here / "run" / "summary.json").read_text())
    assert (run["status"], run["folder"], run["task"]) == ("completed", str(here / "run"), "train")
    for name in ("key", "steps", "test", "seconds", "weights_sha256", "best_val_top1"):
        assert run[name] == record[name], name
    row = json.loads((here / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert run["val"] == {k: row[f"val_{k}"] for k in ("loss", "top1", "top5")}
    again = last(call("resume=run", "--json"))  # it is finished
    assert again == run
    plan = last(call(*TINY, "task=plan", "--json"))
    assert plan == {"status": "completed", "exit_code": 0, "task": "plan"}
    sweep = last(
        call("-m", *TINY, "seed=0,1", "optim.lr=0.1", "--json", "hydra.launcher.workers=1")
    )
    assert (sweep["status"], sweep["task"]) == ("completed", "sweep")
    assert (sweep["jobs"], sweep["results"]) == (2, 2)
    assert (Path(sweep["folder"]) / "sweep.yaml").is_file()
    lost = last(
        call("-m", *TINY, "batch_size=16,7,1", "--json", "hydra.launcher.workers=1", "max_steps=2")
    )
    assert lost["status"] == "failed"
    assert (lost["jobs"], lost["results"], lost["without_result"]) == (3, 2, [2])


ERRORS = {
    "optim=adamm": (2, "failed", "unknown optim 'adamm'"),
    "optim.lr=abc": (2, "failed", "optim.lr"),
    "--nonsense": (2, "failed", "unknown flag --nonsense"),
    "--help": (2, "failed", "leave out --json or --help"),
    "--version": (2, "failed", "leave out --json or --version"),
    "--cfg job": (2, "failed", "leave out --json or --cfg"),
    "resume=nowhere": (4, "failed", "no run at nowhere"),
    "-m optim=adamm,sgdd": (2, "failed", "unknown optim"),
    "max_time=5s epochs=3": (2, "failed", "has no effect"),
}


@pytest.mark.parametrize("line", ERRORS)
def test_errors_say_code_and_message(call: Call, here: Path, line: str) -> None:
    code, status, message = ERRORS[line]
    outcome = call(*line.split(), "--json")
    found = last(outcome)
    assert (found["exit_code"], found["status"]) == (code, status)
    assert message in found["message"]
    assert message in outcome.err
    assert "folder" not in found
    assert list(here.iterdir()) == []


@pytest.mark.slow
def test_a_run_that_diverged_names_its_folder(call: Call, here: Path) -> None:
    words = ("optim.lr=1e30", "model.norm=none", "hydra.run.dir=run")
    found = last(call(*TINY, *words, "--json"))
    assert (found["status"], found["exit_code"]) == ("diverged", 3)
    assert found["folder"] == str(here / "run")
    assert "training diverged" in found["message"]
    assert found["steps"] >= 1


def test_a_bug_is_told_too(call: Call, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr("trainer.cli.main.single", broken)
    outcome = call(*TINY, "--json")
    found = last(outcome)
    assert (found["exit_code"], found["status"]) == (1, "failed")
    assert found["message"] == "RuntimeError: a bug"
    assert "Traceback" in outcome.err


def test_without_the_flag_nothing_is_added(call: Call, here: Path) -> None:
    outcome = call("optim=adamm")
    assert (outcome.code, outcome.out) == (2, "")


@pytest.mark.slow
def test_of_two_processes_the_first_alone_prints(warm: Warm, here: Path) -> None:
    started = ("--standalone", "--nproc-per-node=2", "-m", "trainer", *TINY, "--json")
    for extra, status in (((), "completed"), (("batch_size=7",), "failed")):
        running = warm.torchrun([*started, *extra], here)
        out, err = running.communicate()
        objects = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        assert len(objects) == 1, out + err
        assert objects[0]["status"] == status
        assert out.splitlines()[-1].startswith("{")
