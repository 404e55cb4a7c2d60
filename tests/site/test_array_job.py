"""The array job of the page on clusters: members share a sweep, die, and join late."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import PATIENCE_S, ROOT, TINY, environment
from tests.site.blocks import blocks

PAGE = ROOT / "docs" / "howto" / "clusters.md"
JOBS = 6
WORDS = (*TINY, "epochs=400", f"seed=range(0,{JOBS})", "hydra.launcher.workers=1")


def member(number: int, here: Path, *words: str) -> subprocess.Popen[str]:
    """Start a member of the array in a process group of its own, as Slurm does."""
    env = environment() | {"SLURM_ARRAY_TASK_ID": str(number), "OMP_NUM_THREADS": "1"}
    env["PATH"] = f"{here / 'bin'}{os.pathsep}{env['PATH']}"
    return subprocess.Popen(
        ["bash", "array.sbatch", *words],
        cwd=here,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def summaries(here: Path) -> list[Path]:
    return sorted((here / "outputs/array/first").glob("*/summary.json"))


@pytest.mark.slow
def test_members_share_the_jobs_and_do_those_of_a_member_that_died(tmp_path: Path) -> None:
    text = PAGE.read_text()
    (script,) = (b.text for b in blocks(PAGE, text) if b.path == "array.sbatch")
    (tmp_path / "array.sbatch").write_text(script)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(f'#!/bin/bash\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    first, second = member(0, tmp_path, *WORDS), member(1, tmp_path)
    end = time.monotonic() + PATIENCE_S
    while not summaries(tmp_path):
        assert first.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)  # in the middle of a job
    first.communicate()
    assert len(summaries(tmp_path)) < JOBS
    late = member(2, tmp_path)
    said = [m.communicate(timeout=PATIENCE_S)[0] for m in (second, late)]
    assert (second.returncode, late.returncode) == (0, 0), said
    found = [json.loads(f.read_text()) for f in summaries(tmp_path)]
    assert [s["status"] for s in found] == ["completed"] * JOBS
    assert len({s["weights_sha256"] for s in found}) == JOBS  # a seed each
