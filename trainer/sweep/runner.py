"""Sweeps from the command line, from a folder and from Python: all jobs are checked before the
first starts, each leaves a folder, a table ends it."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from trainer.composition.search_path import Sources
from trainer.core.errors import TrainerError
from trainer.core.units import counted
from trainer.record.console import Console, shown_path
from trainer.record.runs import RunRow, read_run
from trainer.record.sweep_file import JobOverrides, read_sweep
from trainer.sweep.choices import settle_choices
from trainer.sweep.jobs import Job, Sweep, begin, check_jobs
from trainer.sweep.linting import refuse_odd
from trainer.sweep.plan import Launcher, SweepPlan
from trainer.sweep.results import (
    SweepEnd,
    finish,
    job_line,
    overrides_apart,
    report_invalid,
    swept_keys,
)
from trainer.sweep.supervisor import pool_for, supervise
from trainer.sweep.worker_process import warm_up


def run_sweep(plan: SweepPlan, current: Sweep) -> SweepEnd:
    """Check, run and sum up the jobs of a sweep; return how it ended.

    Raises:
        ConfigError: if none of them is valid; nothing was created by then.
    """
    if plan.hydra:
        from trainer.sweep.hydra_bridge import check_settings

        check_settings(plan.hydra, current.sources)
    else:
        warm_up()
    console = Console()
    jobs = settle_choices(check_jobs(plan.jobs, current), console)
    refuse_odd(jobs, pool_for)
    folder = begin(plan.folder, jobs)
    introduce(jobs, folder, console)
    with naming(folder):
        if plan.hydra:
            rows = run_by_hydra(jobs, folder, console, plan, current)
        else:
            rows = supervise(jobs, folder, console, plan.launcher, current)
        return finish(jobs, rows, folder, console, current)


def resume_sweep(folder: Path, current: Sweep) -> SweepEnd:
    """Do what is missing of a sweep that was stopped, and return how it ended.

    Raises:
        NotFound: if there is no such sweep.
        ConfigError: if its list of jobs cannot be read, or none of them is valid any more.
    """
    warm_up()
    console = Console()
    jobs = settle_choices(check_jobs(read_sweep(folder), current), console)
    introduce(jobs, folder, console)
    with naming(folder.absolute()):
        rows = supervise(jobs, folder.absolute(), console, Launcher(), current)
        return finish(jobs, rows, folder.absolute(), console, current)


@contextlib.contextmanager
def naming(folder: Path) -> Iterator[None]:
    """Name the folder of a sweep in the error that ends it."""
    try:
        yield
    except TrainerError as error:
        error.folder = folder
        raise


def introduce(jobs: Sequence[Job], folder: Path, console: Console) -> None:
    """Say how many jobs there are, where, and what is wrong with those that will not run."""
    console.say(f"{counted(len(jobs), 'job')} in {shown_path(folder)}")
    report_invalid(jobs, console)


def run_jobs(
    lines: Sequence[Sequence[str]],
    *,
    folder: str | Path | None = None,
    sources: Sources | None = None,
    plugins: tuple[str, ...] = (),
    reuse: bool = True,
    quiet: bool = False,
    workers: int | None = None,
) -> list[RunRow | str]:
    """Run many jobs as a sweep does, and return the record of each, or why it has none.

    Runs that are finished already are not done again, so that a program which was stopped goes on
    by calling this again.

    Args:
        lines: the overrides of each job.
        folder: of the sweep; a new one under `outputs` by default.
        sources: where configurations are looked up.
        plugins: modules with components of your own.
        reuse: whether runs that are finished elsewhere count.
        quiet: print nothing.
        workers: processes at once; as the cores have room for by default.

    Raises:
        ConfigError: if none of them is valid.
        Stopped: after a signal.
    """
    warm_up()
    current = Sweep(sources or Sources(), plugins, reuse, lint=False)
    console = Console(quiet=quiet)
    jobs = settle_choices(
        check_jobs([JobOverrides(tuple(line)) for line in lines], current), console
    )
    refuse_odd(jobs, pool_for)
    place = begin(None if folder is None else str(folder), jobs)
    rows = supervise(jobs, place, console, Launcher(workers), current)
    return [rows[job.number] for job in jobs]


def run_by_hydra(
    jobs: Sequence[Job], folder: Path, console: Console, plan: SweepPlan, current: Sweep
) -> dict[int, RunRow | str]:
    """Run jobs by a launcher of Hydra's, and read what they left."""
    from trainer.sweep.hydra_bridge import launch

    valid = [job for job in jobs if job.config is not None]
    failure = "left no result"
    try:
        launch({job.number: job.overrides for job in valid}, str(folder), plan.hydra, current)
    except Exception as error:  # of one job, raised for all; what the others left is there
        failure += f" ({type(error).__name__}: {(str(error).splitlines() or [''])[0]})"
    rows: dict[int, RunRow | str] = {}
    varied = swept_keys(jobs)
    for job in valid:
        path = folder / str(job.number)
        rows[job.number] = read_run(path) if (path / "summary.json").exists() else failure
        console.say(job_line(job.number, overrides_apart(job, varied), rows[job.number]))
    return rows
