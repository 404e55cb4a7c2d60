"""A sweep: words become jobs, all are checked before the first starts, each leaves a folder, a
table ends it."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from trainer.composition import DEFAULT_DIR, compose_words
from trainer.config import RunConfig, parse
from trainer.console import Console
from trainer.distributed import World
from trainer.errors import ConfigError, Diverged, Stopped, TrainerError
from trainer.files import replace_text
from trainer.folder import make_folder
from trainer.parallel import everyone
from trainer.record import RunRow, read_run
from trainer.rollcall import accounted, is_broken
from trainer.run import Order, execute
from trainer.sources import Sources
from trainer.summary import shown_path
from trainer.sweep.table import job_line, results_table, write_csv
from trainer.task.base import check_trains
from trainer.together import from_first
from trainer.words import quote


@dataclass
class Sweep:
    """A sweep under way: what Hydra cannot carry from the command line to the sweeper and back.

    Attributes:
        sources: where configurations are looked up.
        plugins: modules named on the command line.
        exit_code: what the process ends with.
    """

    sources: Sources
    plugins: tuple[str, ...] = ()
    exit_code: int = 0


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        number: its place, and the name of its folder.
        words: what distinguishes it, canonical.
        config: None where the words are invalid; then `error` says why.
    """

    number: int
    words: tuple[str, ...]
    config: RunConfig | None = None
    error: str = ""


CURRENT: ContextVar[Sweep] = ContextVar("sweep")


def run_sweep(
    words: Sequence[str], config: DictConfig, context: HydraContext, function: TaskFunction
) -> None:
    """Expand, check, run and sum up; the exit code goes to the current sweep."""
    current = CURRENT.get()
    jobs = [check_job(i, job, current) for i, job in enumerate(expand(words, context))]
    all_processes = everyone(World.from_environment())
    is_main = all_processes.world.rank == 0
    console = Console(quiet=not is_main)
    valid = [job for job in jobs if job.config is not None]
    if not valid:
        told = "\n".join(dict.fromkeys(job.error for job in jobs))
        raise ConfigError(
            told if len(jobs) == 1 else f"none of the {len(jobs)} jobs is valid: {told}"
        )
    for job in jobs:
        if job.config is None:
            console.say(f"job {job.number} ({' '.join(job.words)}): {job.error}", style="red")
    first = valid[0]
    assert first.config is not None
    wanted = str(config.hydra.sweep.dir)
    name = first.config.name
    folder = from_first(
        all_processes, lambda: begin(None if wanted == DEFAULT_DIR else wanted, name, jobs)
    )
    console.say(f"{len(valid)} jobs in {shown_path(folder)}")
    launcher = str(OmegaConf.select(config, "hydra.runtime.choices.hydra/launcher") or "trainer")
    if launcher == "trainer":
        rows = run_here(valid, folder, console)
    else:
        rows = run_by(valid, folder, config, context, function)
    if is_main:
        finish(jobs, rows, folder, console, current)


def begin(wanted: str | None, name: str, jobs: Sequence[Job]) -> Path:
    """Make a sweep's folder, list its jobs there, and return it."""
    folder = make_folder(wanted, name)
    listing = [{"job": job.number, "overrides": list(job.words)} for job in jobs]
    replace_text(
        folder / "sweep.yaml", yaml.safe_dump(listing, sort_keys=False, allow_unicode=True)
    )
    return folder


def expand(words: Sequence[str], context: HydraContext) -> list[list[str]]:
    """Return the words of every job, by Hydra's own rules for `a,b`, `range()`, `choice()`,
    `glob()`."""
    parser = OverridesParser.create(config_loader=context.config_loader)
    (jobs,) = BasicSweeper.split_arguments(parser.parse_overrides(list(words)), None)
    return [[w for w in job if not w.startswith("hydra")] for job in jobs]


def check_job(number: int, words: Sequence[str], current: Sweep) -> Job:
    """Return a job with its configuration, or with what is wrong with it."""
    try:
        composed = compose_words(words, current.sources)
        config = parse(composed.cfg, is_sweep=True, plugins=current.plugins)
        check_trains(config, "a sweep", "leave out -m")
        return Job(number, composed.words, config)
    except ConfigError as error:
        return Job(number, tuple(words), error=str(error))


def run_here(jobs: Sequence[Job], folder: Path, console: Console) -> dict[int, RunRow | str]:
    """Run jobs one after the other in this process, or in all of a group; return the record of
    each, or what went wrong.

    Raises:
        TrainerError: if the group lost a process: nobody is left to run the other jobs.
    """
    rows: dict[int, RunRow | str] = {}
    for job in jobs:
        path = folder / str(job.number)
        assert job.config is not None
        try:
            order = Order(job.config, job.words, folder=str(path), quiet=True)
            with accounted():
                rows[job.number] = execute(order)
        except Diverged as error:
            rows[job.number] = read_run(path) if path.is_dir() else str(error)
        except Stopped as error:
            raise Stopped(
                f"the sweep was stopped during job {job.number}; finished jobs are in {folder}",
                error.signum,
            ) from error
        except TrainerError as error:
            if is_broken():
                raise
            rows[job.number] = str(error)
        except Exception as error:  # costs this job, never the others
            rows[job.number] = f"{type(error).__name__}: {error}"
        console.say(job_line(job.number, job.words, rows[job.number], len(jobs)))
    return rows


def run_by(
    jobs: Sequence[Job],
    folder: Path,
    config: DictConfig,
    context: HydraContext,
    function: TaskFunction,
) -> dict[int, RunRow | str]:
    """Run jobs by another launcher of Hydra's, and read what they left."""
    config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quote(str(folder))}")
    config.hydra.sweep.dir = str(folder)
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=function, config=config
    )
    returns = launcher.launch([list(job.words) for job in jobs], initial_job_idx=0)
    rows: dict[int, RunRow | str] = {}
    for job, returned in zip(jobs, returns, strict=True):
        path = folder / str(returned.hydra_cfg.hydra.job.num if returned.hydra_cfg else job.number)
        rows[job.number] = read_run(path) if (path / "summary.json").exists() else "left no result"
    return rows


def finish(
    jobs: Sequence[Job],
    rows: dict[int, RunRow | str],
    folder: Path,
    console: Console,
    current: Sweep,
) -> None:
    """Write the table of results, print it, and say which jobs have none."""
    done = {
        n: row
        for n, row in rows.items()
        if isinstance(row, RunRow) and row.status in ("completed", "diverged")
    }
    swept = swept_keys(jobs)
    write_csv(folder / "table.csv", jobs_values(jobs, swept), done)
    console.table(results_table(jobs_values(jobs, swept), done))
    console.say(f"results   {shown_path(folder)}")
    console.say(f"compare   python -m trainer.analysis.compare {shown_path(folder)}")
    lost = [job.number for job in jobs if job.number not in done]
    if lost:
        console.say(
            f"no result from {len(lost)} of {len(jobs)} jobs: {', '.join(map(str, lost))}",
            style="red",
        )
        current.exit_code = 1


def swept_keys(jobs: Sequence[Job]) -> list[str]:
    """Return the keys of words that are not the same in all jobs, `seed` last."""
    keys = list(dict.fromkeys(w.split("=", 1)[0].lstrip("+") for job in jobs for w in job.words))
    varied = [k for k in keys if len({value_of(job, k) for job in jobs}) > 1]
    return sorted(varied, key=lambda k: k == "seed")


def value_of(job: Job, key: str) -> str:
    """Return what a job's words say of a key."""
    return next(
        (w.split("=", 1)[1] for w in job.words if w.split("=", 1)[0].lstrip("+") == key), ""
    )


def jobs_values(jobs: Sequence[Job], keys: Sequence[str]) -> dict[int, dict[str, str]]:
    """Return the swept values of every job."""
    return {job.number: {k: value_of(job, k) for k in keys} for job in jobs}
