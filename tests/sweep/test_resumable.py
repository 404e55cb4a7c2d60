"""What an earlier attempt left of a job: resumed exactly, reported, or kept until it can be."""

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
from trainer.sweep.reuse import predicted_key
from trainer.sweep.supervisor import report_restarts
from trainer.sweep.worker import resumable


def task_of(folder: Path, *overrides: str) -> JobTask:
    """Return a job whose key is not known before."""
    job = check_job(0, JobOverrides(overrides), Sweep(Sources()))
    assert job.config is not None, job.error
    return JobTask(0, job.config, job.overrides, folder, None, folder.parent)


@pytest.mark.slow
def test_a_checkpoint_is_resumed_reported_or_kept(here: Path) -> None:
    task = task_of(here / "0", *TINY, "max_steps=3")
    execute(RunRequest(task.config, task.overrides, folder=str(task.folder), quiet=True))
    (task.folder / "summary.json").unlink()  # as a killed worker leaves it
    assert resumable(task) == task.folder
    predicted = replace(task, key=predicted_key(task.config))
    assert resumable(predicted) == task.folder

    console = Console()
    console.terminal.file = io.StringIO()
    report_restarts([predicted, replace(task, key="other")], console)
    assert console.terminal.file.getvalue().count("begins anew") == 1
    assert "job 0 begins anew: its checkpoint of step 3" in console.terminal.file.getvalue()

    without_images = task_of(here / "0", "data=mnist", "data.root=gone", "model=mlp")
    with pytest.raises(DataError):
        resumable(without_images)
    assert (task.folder / "checkpoints" / "step-00000003").is_dir()
    assert resumable(replace(task, key="other")) is None
    assert not task.folder.exists()
