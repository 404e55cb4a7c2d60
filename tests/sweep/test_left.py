"""What an earlier attempt left of a job: gone on with exactly, told, or kept until it can be."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from tests.command import TINY
from trainer.composition.search_path import Sources
from trainer.core.errors import DataError
from trainer.record.console import Console
from trainer.record.sweep_file import JobOverrides
from trainer.run.execute import RunRequest, execute
from trainer.sweep.jobs import Sweep, check_job
from trainer.sweep.messages import JobTask
from trainer.sweep.reuse import key_before
from trainer.sweep.supervisor import tell_begun_anew
from trainer.sweep.worker import left


def task_of(folder: Path, *overrides: str) -> JobTask:
    """Return a job whose key is not foretold."""
    job = check_job(0, JobOverrides(overrides), Sweep(Sources()))
    assert job.config is not None, job.error
    return JobTask(0, job.config, job.overrides, folder, None, folder.parent)


@pytest.mark.slow
def test_a_checkpoint_is_gone_on_with_told_or_kept(here: Path) -> None:
    task = task_of(here / "0", *TINY, "max_steps=3")
    execute(RunRequest(task.config, task.overrides, folder=str(task.folder), quiet=True))
    (task.folder / "summary.json").unlink()  # as a killed worker leaves it
    assert left(task) == task.folder
    foretold = replace(task, key=key_before(task.config))
    assert left(foretold) == task.folder

    console = Console()
    console.terminal.file = io.StringIO()
    tell_begun_anew([foretold, replace(task, key="other")], console)
    assert console.terminal.file.getvalue().count("begins anew") == 1
    assert "job 0 begins anew: its checkpoint of step 3" in console.terminal.file.getvalue()

    without_images = task_of(here / "0", "data=mnist", "data.root=gone", "model=mlp")
    with pytest.raises(DataError):
        left(without_images)
    assert (task.folder / "checkpoints" / "step-00000003").is_dir()
    assert left(replace(task, key="other")) is None
    assert not task.folder.exists()
