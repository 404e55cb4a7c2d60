"""`task=plan` tells, and leaves nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import TINY, Call, environment, snapshot
from tests.warm import Warm

IMAGES = [word for word in TINY if not word.startswith("model")]


@pytest.mark.slow
def test_a_plan_leaves_nothing_and_tells_the_run_s_steps(call: Call, here: Path) -> None:
    done = call("task=plan", *TINY, "scheduler=cosine")
    assert (done.code, done.err) == (0, "")
    assert "8 in 2 epochs of 4" in done.out
    assert snapshot(here) == {}
    assert call(*TINY, "scheduler=cosine", "hydra.run.dir=run").code == 0
    assert json.loads((here / "run" / "summary.json").read_text())["steps"] == 8


@pytest.mark.slow
def test_a_recorded_run_can_be_planned(call: Call, here: Path) -> None:
    assert call(*TINY, "optim.lr=0.25", "hydra.run.dir=run").code == 0
    before = snapshot(here)
    done = call("repeat=run", "task=plan", "epochs=3")
    assert done.code == 0, done.err
    assert "12 in 3 epochs of 4" in done.out
    assert "lr 0.25" in done.out
    assert snapshot(here) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plan.png", "a=b, c.svg"])
def test_a_picture_is_drawn_where_it_is_asked_for(call: Call, here: Path, name: str) -> None:
    done = call("task=plan", *TINY, f"task.picture={name}")
    assert done.code == 0, done.err
    assert name in done.out
    assert list(snapshot(here)) == [name]
    assert (here / name).stat().st_size > 1000


@pytest.mark.parametrize("value", ["plan.txt", "no/such/folder/plan.png", "3", "true", ".png"])
def test_a_file_that_cannot_be_drawn_is_refused(call: Call, here: Path, value: str) -> None:
    done = call("task=plan", *TINY, f"task.picture={value}")
    assert done.code == 2
    assert "task.picture" in done.err
    assert snapshot(here) == {}


def test_what_training_refuses_is_refused(call: Call, here: Path) -> None:
    done = call("task=plan", *TINY, "scheduler=cosine", "scheduler.warmup=8st")
    assert done.code == 2
    assert "scheduler.warmup=8st is 8 steps, but the run has only 8" in done.err


@pytest.mark.slow
def test_a_sweep_of_plans_is_refused(call: Call, here: Path) -> None:
    done = call("-m", *TINY, "task=plan", "seed=0,1")
    assert done.code == 2
    assert "a sweep is for task=train, but the configuration has task=plan" in done.err
    assert snapshot(here) == {}


def test_a_key_of_another_task_names_its_owner(call: Call, here: Path) -> None:
    done = call(*TINY, "task.picture=a.png")
    assert done.code == 2
    assert "it belongs to task=plan" in done.err


@pytest.mark.slow
def test_resuming_with_a_plan_is_refused(call: Call, here: Path) -> None:
    assert call(*TINY, "hydra.run.dir=run").code == 0
    done = call("resume=run", "task=plan")
    assert done.code == 2
    assert "resume= is for task=train" in done.err


@pytest.mark.slow
def test_a_probe_says_how_long_and_keeps_nothing(
    call: Call, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where nothing is known
    done = call("task=plan", *TINY, "task.probe=true")
    assert done.code == 0, done.err
    assert "training steps of" in done.out
    assert "of the process at the peak of the probe" in done.out
    assert snapshot(here) == {}
    assert "not known before a step was taken" in call("task=plan", *TINY, "seed=1").out
    assert call("task=plan", *TINY, "epochs=0.25", "task.probe=true").code == 0  # of one step


@pytest.mark.slow
def test_a_plan_says_in_what_it_differs_from_a_run(call: Call, here: Path) -> None:
    assert call(*TINY, "optim.lr=0.25", "hydra.run.dir=run").code == 0
    before = snapshot(here)
    done = call("task=plan", *TINY, "task.against=run", "model.hidden=[4]")
    assert done.code == 0, done.err
    rows = [line.split() for line in done.out.splitlines()]
    assert ["optim.lr", "0.05", "0.25"] in rows
    assert ["model.hidden", "[4]", "[8]"] in rows
    assert not any(row[:1] in (["seed"], ["task.name"]) for row in rows)
    same = call("task=plan", *TINY, "task.against=run", "optim.lr=0.25")
    assert "the other run has the same configuration" in same.out
    assert snapshot(here) == before
    missing = call("task=plan", *TINY, "task.against=nowhere")
    assert (missing.code, missing.err.count("\n")) == (4, 1)
    assert "no run at nowhere" in missing.err


@pytest.mark.slow
def test_what_looks_odd_is_said_in_a_plan_and_may_refuse_it(call: Call, here: Path) -> None:
    odd = ("task=plan", *TINY, "scheduler=cosine_restarts", "scheduler.t_0=5ep")
    assert "[cycle_longer_than_run]" in call(*odd).out
    assert "[cycle_longer_than_run]" not in call(*odd, "lint=off").out
    refused = call(*odd, "lint=error")
    assert refused.code == 2
    assert "[cycle_longer_than_run]" in refused.err


def test_nothing_is_compiled_for_a_plan(call: Call, here: Path) -> None:
    done = call("task=plan", *TINY, "engine=compile")
    assert done.code == 0, done.err
    assert "engine=compile is not tried here" in done.out


@pytest.mark.slow
def test_a_plan_imports_no_compiler_and_leaves_a_whole_one(here: Path) -> None:
    code = f"""
import sys
from trainer.cli.main import exit_code
assert exit_code({["task=plan", *IMAGES, "model=cnn"]!r}) == 0
names = [n for n in sys.modules if n.startswith(("torch._dynamo", "sympy", "matplotlib", "triton"))]
assert names == [], names
import torch
assert torch._dynamo.config.cache_size_limit > 0  # the real one
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, cwd=here, env=environment())
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_processes_plan_and_probe_together(here: Path, warm: Warm) -> None:
    words = ["--standalone", "--nproc-per-node", "2", "-m", "trainer", "task=plan", *TINY]
    process = warm.torchrun([*words, "task.probe=true", "task.picture=plan.png"], here)
    out, err = process.communicate()
    assert process.wait() == 0, err
    assert "2 processes x 1 micro-batch of 8" in out
    assert "training steps" in out
    assert list(snapshot(here)) == ["plan.png"]
