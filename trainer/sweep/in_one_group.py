"""Jobs done by all processes of a torchrun together, one after the other in the same group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.checkpoint import format as checkpoint
from trainer.core.environment import World
from trainer.core.errors import Diverged, Stopped, TrainerError
from trainer.record.console import Console
from trainer.record.runs import RunRow, read_run
from trainer.run.execute import execute
from trainer.run.request import RunRequest
from trainer.strategy.collectives import broadcast
from trainer.strategy.ddp import communicator
from trainer.strategy.failures import accounted, is_broken
from trainer.sweep.jobs import Job, Sweep
from trainer.sweep.locks import remove_previous
from trainer.sweep.results import job_line, overrides_apart, swept_keys
from trainer.sweep.reuse import is_result


def run_together(
    jobs: Sequence[Job], folder: Path, console: Console, current: Sweep
) -> dict[int, RunRow | str]:
    """Run jobs one after the other in all processes of a group; return the record of each, or what
    went wrong. One that has a result is left alone, one that was interrupted goes on.

    Raises:
        TrainerError: if the group lost a process: nobody is left to run the other jobs.
    """
    rows: dict[int, RunRow | str] = {}
    varied = swept_keys(jobs)
    for job in jobs:
        path = folder / str(job.number)
        if job.config is None:
            continue
        try:
            with accounted():
                rows[job.number] = go_on(job, path)
        except Diverged as error:
            rows[job.number] = read_run(path) if path.is_dir() else str(error)
        except Stopped as error:
            raise Stopped(
                f"the sweep was stopped during job {job.number}; to go on:\n"
                f"  {current.again(folder)}",
                error.signum,
            ) from error
        except TrainerError as error:
            if is_broken():
                raise
            rows[job.number] = str(error)
        except Exception as error:  # costs this job, never the others
            rows[job.number] = f"{type(error).__name__}: {error}"
        console.say(job_line(job.number, overrides_apart(job, varied), rows[job.number]))
    return rows


def go_on(job: Job, path: Path) -> RunRow:
    """Return the record of a job, run in all processes from where an earlier attempt left it."""
    group = communicator(World.from_environment())
    how = broadcast(group, lambda: left(path))
    if how == "finished":
        is_first = group.world.rank == 0
        return read_run(path) if is_first else RunRow(path, {}, (), "completed")
    assert job.config is not None
    resume = path if how == "resume" else None
    request = RunRequest(job.config, job.overrides, folder=str(path), resume=resume, quiet=True)
    return execute(request)


def left(path: Path) -> str:
    """Return what an earlier attempt left of a job: `finished`, `resume` or, cleared,
    `nothing`."""
    if not path.is_dir():
        return "nothing"
    if is_result(path):
        return "finished"
    if checkpoint.newest(path / "checkpoints")[0] is not None:
        return "resume"
    remove_previous(path)
    return "nothing"
