"""Runs of two processes, started by torchrun as people do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.command import environment

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
PATIENCE_S = 180.0


def start_ranks(overrides: Sequence[str], cwd: Path, **variables: str) -> subprocess.Popen[str]:
    """Start a command line in two processes, in a session of their own."""
    return subprocess.Popen(
        [sys.executable, *TORCHRUN, "-m", "trainer", *overrides],
        cwd=cwd,
        env={**environment(), "OMP_NUM_THREADS": "1", **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def run_ranks(overrides: Sequence[str], cwd: Path, **variables: str) -> tuple[int, str]:
    """Run a command line in two processes to its end; return torchrun's code, which is 1 for any
    failure, and what all printed."""
    process = start_ranks(overrides, cwd, **variables)
    try:
        said, _ = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, said


def children(pid: int) -> list[int]:
    """Return the living processes that one has started, the oldest first."""
    numbers = (int(f.name) for f in Path("/proc").iterdir() if f.name.isdigit())
    return sorted(n for n in numbers if parent_of(n) == pid)


def parent_of(pid: int) -> int | None:
    """Return the parent of a living process; None if it has ended, reaped or not."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state == "Z" else int(parent)


def wait_for(folder: Path, count: int, process: subprocess.Popen[str]) -> bool:
    """Wait until a run has that many checkpoints; False if it ends before."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if len(list(folder.glob("checkpoints/step-*"))) >= count:
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.01)
    raise AssertionError(f"{folder} has no {count} checkpoints after {PATIENCE_S} s")


def are_gone(pids: Sequence[int]) -> bool:
    """Return whether none of these processes is left, after a little patience."""
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        if not any(parent_of(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False
