"""Sweeps from the command line, from a folder and from Python: words become jobs, all are checked
before the first starts, each leaves a folder, a table ends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from trainer.composition.compose import DEFAULT_DIR
from trainer.composition.overrides import quote
from trainer.composition.search_path import Sources
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.core.units import Seconds
from trainer.record.console import Console, shown_path
from trainer.record.runs import RunRow, read_run
from trainer.strategy.collectives import broadcast
from trainer.strategy.ddp import communicator
from trainer.sweep.expand import JobOverrides, Search, expand
from trainer.sweep.in_one_group import run_together
from trainer.sweep.jobs import CURRENT, Job, Sweep, begin, check_jobs, read_listing
from trainer.sweep.results import finish, job_line, overrides_apart, report_invalid, swept_keys
from trainer.sweep.supervisor import Settings, supervise
from trainer.sweep.worker_process import warm_up


@dataclass(frozen=True)
class Hydra:
    """What Hydra gives a sweeper.

    Attributes:
        config: of the sweep, Hydra's own node included.
        context: looks configurations up.
        function: what another launcher runs each job by.
    """

    config: DictConfig
    context: HydraContext
    function: TaskFunction


def run_sweep(overrides: Sequence[str], search: Search, hydra: Hydra) -> None:
    """Expand, check, run and sum up what Hydra's sweeper was given; the exit code goes to the
    current sweep."""
    current, config = CURRENT.get(), hydra.config
    launcher = str(OmegaConf.select(config, "hydra.runtime.choices.hydra/launcher") or "trainer")
    settings = settings_of(OmegaConf.to_container(config.hydra.launcher), launcher)
    world = World.from_environment()
    if launcher == "trainer" and not world.is_torchrun:
        warm_up()
    jobs = check_jobs(expand(overrides, search, hydra.context.config_loader), current)
    all_processes = communicator(world)
    console = Console(quiet=world.rank != 0)
    wanted = str(config.hydra.sweep.dir)
    folder = broadcast(
        all_processes, lambda: begin(None if wanted == DEFAULT_DIR else wanted, name_of(jobs), jobs)
    )
    console.say(f"{counted(len(jobs), 'job')} in {shown_path(folder)}")
    report_invalid(jobs, console)
    if launcher == "trainer":
        current.exit_code = carry_out(jobs, folder, console, settings, current)
        return
    rows = run_by(jobs, folder, console, hydra)
    current.exit_code = finish(jobs, rows, folder, console, current)


def resume_sweep(folder: Path, current: Sweep) -> int:
    """Do what is missing of a sweep that was stopped, and return the exit code.

    Raises:
        NotFound: if there is no such sweep.
        ConfigError: if its list of jobs cannot be read, or none of them is valid any more.
    """
    world = World.from_environment()
    if not world.is_torchrun:
        warm_up()
    listed = broadcast(communicator(world), lambda: read_listing(folder))
    jobs = check_jobs(listed, current)
    console = Console(quiet=world.rank != 0)
    console.say(f"{counted(len(jobs), 'job')} in {shown_path(folder)}")
    report_invalid(jobs, console)
    return carry_out(jobs, folder.absolute(), console, Settings(), current)


def run_jobs(
    lines: Sequence[Sequence[str]],
    *,
    folder: str | Path | None = None,
    sources: Sources | None = None,
    reuse: bool = True,
    quiet: bool = False,
    workers: int | None = None,
) -> list[RunRow | str]:
    """Run many jobs as a sweep does, and return the record of each, or why it has none.

    Runs that are finished already are not done again, so that a program which was stopped goes on
    by calling this again.

    Args:
        lines: the words of each job.
        folder: of the sweep; a new one under `outputs/` by default.
        sources: where configurations are looked up.
        reuse: whether runs that are finished elsewhere count.
        quiet: print nothing.
        workers: processes at once; as the cores have room for by default.

    Raises:
        ConfigError: if none of them is valid.
        Stopped: after a signal.
    """
    warm_up()
    current = Sweep(sources or Sources(), reuse=reuse)
    jobs = check_jobs([JobOverrides(tuple(line)) for line in lines], current)
    console = Console(quiet=quiet)
    place = begin(None if folder is None else str(folder), name_of(jobs), jobs)
    rows = supervise(jobs, place, console, Settings(workers), current)
    return [rows[job.number] for job in jobs]


def carry_out(
    jobs: Sequence[Job], folder: Path, console: Console, settings: Settings, current: Sweep
) -> int:
    """Do what is missing of a sweep, print its table and return the exit code."""
    world = World.from_environment()
    if world.is_torchrun:
        rows: Mapping[int, RunRow | str] = run_together(jobs, folder, console, current)
    else:
        rows = supervise(jobs, folder, console, settings, current)
    return finish(jobs, rows, folder, console, current) if world.rank == 0 else 0


def name_of(jobs: Sequence[Job]) -> str:
    """Return the name of a sweep's experiment: that of its first job."""
    return next(job.config.name for job in jobs if job.config is not None)


def counted(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def settings_of(launcher: Any, name: str) -> Settings:
    """Return how our launcher is to share jobs out.

    Raises:
        ConfigError: for a value out of its range.
    """
    if name != "trainer":
        return Settings()
    workers = launcher.get("workers")
    if workers is not None and workers < 1:
        raise ConfigError(f"hydra.launcher.workers must be at least 1, got {workers}")
    timeout = Seconds.parse(launcher.get("timeout"), "hydra.launcher.timeout")
    return Settings(workers, timeout.value)


def run_by(
    jobs: Sequence[Job], folder: Path, console: Console, hydra: Hydra
) -> dict[int, RunRow | str]:
    """Run jobs by another launcher of Hydra's, and read what they left."""
    config = hydra.config
    config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quote(str(folder))}")
    config.hydra.sweep.dir = str(folder)
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=hydra.context, task_function=hydra.function, config=config
    )
    # the launcher numbers the jobs that it is given; a folder is named by its number in the sweep
    valid = [job for job in jobs if job.config is not None]
    lines = [[*job.overrides, f"hydra.sweep.subdir={job.number}"] for job in valid]
    failure = "left no result"
    try:
        launcher.launch(lines, initial_job_idx=0)
    except Exception as error:  # of one job, told for all; what the others left is there
        failure += f" ({type(error).__name__}: {(str(error).splitlines() or [''])[0]})"
    rows: dict[int, RunRow | str] = {}
    varied = swept_keys(jobs)
    for job in valid:
        path = folder / str(job.number)
        rows[job.number] = read_run(path) if (path / "summary.json").exists() else failure
        overrides = overrides_apart(job, varied)
        console.say(job_line(job.number, overrides, rows[job.number]))
    return rows
