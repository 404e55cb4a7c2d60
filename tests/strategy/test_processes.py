"""Processes that fail, stand still, are killed, are started again, or are orphaned: by torchrun."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.ranks import are_gone, children
from tests.command import PATIENCE_S, TINY, environment, snapshot
from tests.warm import Running, Warm

AGENT = ("--standalone", "--nproc-per-node=2")
ENDLESS = (*TINY, "epochs=100000", "checkpoint.every=5st", "strategy.timeout=3s")
MARGIN_S = 40 + 60  # what is promised; and what a machine under load takes to end processes
PLUGIN = """
import os, signal
from dataclasses import dataclass
from trainer.loss.base import LOSSES
from trainer.loss.cross_entropy import CrossEntropy


@LOSSES.register("faulty")
@dataclass(frozen=True)
class Faulty:
    how: str = "raise"
    step: int = 3

    def build(self, teachers):
        inner, calls = CrossEntropy().build(teachers), 0

        def loss(logits, batch):
            nonlocal calls
            calls += 1
            first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
            if calls > self.step and os.environ["RANK"] == "1" and first:
                if self.how == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise ValueError("a bug of one process")
            return inner(logits, batch)

        return loss
"""


@contextlib.contextmanager
def torchrun(
    warm: Warm, here: Path, *overrides: str, agent: tuple[str, ...] = ()
) -> Iterator[Running]:
    """Start processes; whatever of them is left is killed at the end."""
    env = {**environment(), "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] += f"{os.pathsep}{here.parent}"
    words = [*AGENT, *agent, "-m", "trainer", *overrides]
    process = warm.torchrun(words, here, env=env)
    try:
        yield process
    finally:
        for number in (*children(process.pid), process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait()


def ranks(process: Running) -> list[int]:
    """Return the processes of torchrun's two ranks, in order, once both are there."""
    end = time.monotonic() + PATIENCE_S
    while len(found := children(process.pid)) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "there are no two ranks"
        time.sleep(0.05)
    return found


def wait_for(path: Path, process: Running) -> None:
    """Wait until there is a file or folder with something in it."""
    while not path.exists() or (path.is_dir() and not any(path.iterdir())):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def told(run: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return summary


@pytest.mark.slow
def test_a_process_that_stands_still_ends_the_others_and_is_named(warm: Warm, here: Path) -> None:
    with torchrun(warm, here, *ENDLESS, "hydra.run.dir=run") as process:
        wait_for(here / "run/checkpoints", process)
        both = ranks(process)
        stopped = both[1]
        start = time.monotonic()
        os.kill(stopped, signal.SIGSTOP)
        _, err = process.communicate()
    assert time.monotonic() - start < 3 + MARGIN_S
    assert err.count(f"error: rank 1 (process {stopped} on ") == 1
    assert "did not answer within 3 s" in err
    assert told(here / "run")["status"] == "failed"
    assert told(here / "run")["exit_code"] == 1
    assert "rank 1" in told(here / "run")["message"]
    assert "resume=" in told(here / "run")["message"]
    assert are_gone(both)


@pytest.mark.slow
def test_a_killed_process_is_named_by_other_tasks_too(warm: Warm, here: Path) -> None:
    sweep = (*TINY, "task=lr_range", "task.steps=20000", "task.smooth=100st", "task.max_lr=1e-5")
    with torchrun(warm, here, *sweep, "strategy.timeout=3s", "hydra.run.dir=run") as process:
        wait_for(here / "run/run.log", process)
        killed = ranks(process)[1]
        time.sleep(1.0)
        os.kill(killed, signal.SIGKILL)
        _, err = process.communicate()
    assert err.count(f"error: rank 1 (process {killed} on ") == 1
    assert told(here / "run")["status"] == "failed"
    assert told(here / "run")["message"].startswith(f"rank 1 (process {killed} on ")


BACKGROUND = """
import os
from pathlib import Path
from trainer.checkpoint import format as checkpoint
from trainer.run.recording import Recording

write, summarize = checkpoint.write_bytes, Recording.write_summary


def full(path, content):
    if path.name == "manifest.json" and b'"step": STEP,' in content:
        raise OSError(28, "No space left on device")
    write(path, content)


def noted(self, status, code, results):
    Path(f"code-{os.environ['RANK']}").write_text(f"{code} {results.get('message')}")
    summarize(self, status, code, results)


checkpoint.write_bytes, Recording.write_summary = full, noted
"""
# as where steps are long: written, or not, before the next step is done
SLOW = """
from trainer.checkpoint.saver import Saver

action = Saver.action


def waiting(self, is_stopped):
    if self._writing is not None:
        self._writing.join()
    return action(self, is_stopped)


Saver.action = waiting
"""


# what step 3 met is found where the epoch's end is saved, what step 2 met where all agree
@pytest.mark.slow
@pytest.mark.parametrize(("step", "more"), [(3, ""), (2, SLOW)], ids=["saved", "agreed"])
def test_what_a_checkpoint_in_the_background_meets_is_an_error_of_all(
    warm: Warm, here: Path, step: int, more: str
) -> None:
    (here.parent / "disk_plugin.py").write_text(BACKGROUND.replace("STEP", str(step)) + more)
    overrides = ("plugins=[disk_plugin]", "checkpoint.every=1st", "checkpoint.background=true")
    with torchrun(warm, here, *TINY, *overrides, "hydra.run.dir=run") as process:
        _, err = process.communicate()
    assert told(here / "run")["exit_code"] == 74, err
    for rank in (0, 1):
        text = (here / f"code-{rank}").read_text()
        assert text.startswith("74 cannot write "), text
    assert err.count("error: cannot write") == 1


@pytest.mark.slow
def test_what_torchrun_leaves_behind_ends_with_it(warm: Warm, here: Path) -> None:
    with torchrun(warm, here, *ENDLESS, "hydra.run.dir=run") as process:
        wait_for(here / "run/checkpoints", process)
        both = ranks(process)
        process.kill()
        process.wait()
        assert are_gone(both)
        before = snapshot(here)
        time.sleep(0.5)
        assert snapshot(here) == before


@pytest.mark.slow
def test_an_error_of_one_process_ends_all_and_is_told_with_its_trace(
    warm: Warm, here: Path
) -> None:
    (here.parent / "faulty_plugin.py").write_text(PLUGIN)
    conf = here.parent / "conf" / "loss"
    conf.mkdir(parents=True)
    (conf / "faulty.yaml").write_text("name: faulty\nhow: raise\nstep: 3\n")
    overrides = ("plugins=[faulty_plugin]", "loss=faulty", "checkpoint.every=1st")
    with torchrun(warm, here, *TINY, *overrides, "hydra.run.dir=run") as process:
        _, err = process.communicate()
    assert process.returncode == 1
    assert "ValueError: a bug of one process" in err
    assert told(here / "run")["status"] == "failed"
    assert told(here / "run")["message"].startswith("rank 1 (process ")
    assert "ValueError: a bug of one process" in told(here / "run")["message"]
    assert "in loss" in (here / "run/run.log").read_text()  # the other process's traceback
    check_restarted(warm, here, overrides)


def check_restarted(warm: Warm, here: Path, overrides: tuple[str, ...]) -> None:
    """A killed process, and torchrun starting all of them again: the run goes on in its folder."""
    kill = (*TINY, *overrides, "loss.how=kill", "average=ema")
    with torchrun(warm, here, *kill, "hydra.run.dir=again", agent=("--max-restarts=1",)) as process:
        _, err = process.communicate()
    assert process.returncode == 0, err[-3000:]
    log = (here / "again/run.log").read_text()
    assert "rank 1" in log
    assert "resumed at step" in log
    with torchrun(warm, here, *kill, "loss.step=1000", "hydra.run.dir=whole") as process:
        process.communicate()
    again, whole = told(here / "again"), told(here / "whole")
    assert again["status"] == whole["status"] == "completed"
    assert again["weights_sha256"] == whole["weights_sha256"]
