"""Calling the program as people do, and looking at what it left."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PATIENCE_S = 600  # of who waits for an end that must come: a machine under load takes minutes

# Eight steps of a few milliseconds on 64 made-up images of 8x8.
TINY = (
    "data=synthetic",
    "data.num_train=64",
    "data.num_test=20",
    "data.image_shape=[1,8,8]",
    "model=mlp",
    "model.hidden=[8]",
    "batch_size=16",
    "epochs=2",
    "threads=1",
)


@dataclass(frozen=True)
class Outcome:
    """How a command line ended."""

    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


def environment() -> dict[str, str]:
    """Return the environment of a process that finds the project and no torchrun."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TORCHELASTIC", "MASTER_"))}
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        env.pop(name, None)
    return {**env, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", "COLUMNS": "200"}


def start(
    overrides: Sequence[str], cwd: Path, module: str = "trainer", *, start_new_session: bool = False
) -> subprocess.Popen[str]:
    """Start `python -m trainer` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *overrides],
        cwd=cwd,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=start_new_session,
    )


def real(overrides: Sequence[str], cwd: Path, module: str = "trainer") -> Outcome:
    """Run `python -m trainer` in a process of its own, to its end."""
    process = start(overrides, cwd, module)
    out, err = process.communicate(timeout=PATIENCE_S)
    return Outcome(process.returncode, out, err)


def snapshot(folder: Path) -> dict[str, str]:
    """Return every path under a folder, with the SHA-256 of files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        is_file = path.is_file() and os.access(path, os.R_OK)
        content = hashlib.sha256(path.read_bytes()).hexdigest() if is_file else ""
        found[str(path.relative_to(folder))] = content
    return found
