"""Runs and sweeps on disk, for the subcommands that list and delete them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.analysis.runs import lr, made_run, write_run


def put_run(
    path: Path, *, when: int, top1: float = 0.5, status: str = "completed", value: float = 0.1
) -> None:
    """Write a run's record as if at an instant, in minutes; a status of `unfinished` has no end."""
    run = made_run(0, top1, status=status, **lr(value))
    write_run(run, path)
    if status == "unfinished":
        (path / "summary.json").unlink()
    os.utime(path / "config.yaml", (60 * when, 60 * when))


def put_sweep(path: Path, statuses: Sequence[str], *, when: int) -> None:
    """Write a sweep of jobs; `missing` has no folder, `link:<folder>` is one."""
    path.mkdir(parents=True)
    jobs = [{"job": n, "overrides": [f"optim.lr=0.{n}", "mix=mixup"]} for n in range(len(statuses))]
    (path / "sweep.yaml").write_text(yaml.safe_dump(jobs))
    os.utime(path / "sweep.yaml", (60 * when, 60 * when))
    for number, status in enumerate(statuses):
        job = path / str(number)
        if status.startswith("link:"):
            job.symlink_to(os.path.relpath(status.removeprefix("link:"), path))
        elif status != "missing":
            put_run(job, when=when, status=status)
