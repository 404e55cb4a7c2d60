"""A terminal that is closed: a run ends with a checkpoint, or, under nohup, goes on in silence."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.command import PATIENCE_S, TINY, environment

pytestmark = pytest.mark.slow  # whole runs

LONG = (*TINY, "data.num_train=640", "checkpoint.every=20st", "hydra.run.dir=run")


def until_checkpoint_on_a_terminal(
    overrides: Sequence[str], here: Path, *, nohup: bool
) -> subprocess.Popen[bytes]:
    """Start the program on a terminal of its own, and close that after the first checkpoint."""
    ours, theirs = os.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if nohup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = subprocess.Popen(
        [sys.executable, "-m", "trainer", *overrides],
        cwd=here,
        env={**environment(), "TERM": "xterm"},
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    deadline = time.monotonic() + PATIENCE_S
    while not list(here.glob("run/checkpoints/step-*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        if select.select([ours], [], [], 0.02)[0]:
            os.read(ours, 65536)
    os.close(ours)
    return process


def test_a_closed_terminal_ends_a_run_with_a_checkpoint(here: Path) -> None:
    process = until_checkpoint_on_a_terminal([*LONG, "epochs=4000"], here, nohup=False)
    assert process.wait(timeout=PATIENCE_S) == 128 + signal.SIGHUP
    summary = json.loads((here / "run" / "summary.json").read_text())
    assert (summary["status"], summary["exit_code"]) == ("interrupted", 129)
    assert (here / "run" / "checkpoints" / f"step-{summary['steps']:08d}").is_dir()
    assert "Traceback" not in (here / "run" / "run.log").read_text()


def test_under_nohup_a_run_goes_on_without_its_terminal(here: Path) -> None:
    process = until_checkpoint_on_a_terminal([*LONG, "epochs=30"], here, nohup=True)
    assert process.wait(timeout=PATIENCE_S) == 0
    assert json.loads((here / "run" / "summary.json").read_text())["status"] == "completed"
    assert len((here / "run" / "metrics.jsonl").read_text().splitlines()) == 30
