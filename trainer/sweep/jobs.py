"""The jobs of a sweep: composed and checked before the first starts, written to the sweep's
folder."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from trainer.composition.compose import Composed, Composer
from trainer.composition.search_path import Sources
from trainer.config.run_config import RunConfig, parse
from trainer.core.command import sweep_line
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.core.files import replace_text
from trainer.record.console import shown_path
from trainer.record.run_folder import make_folder
from trainer.record.sweep_file import SWEEP_FILE, JobOverrides
from trainer.run.device import check_micro_batch
from trainer.strategy.build import check_start
from trainer.task.base import check_trains


@dataclass
class Sweep:
    """What all jobs of a sweep share; with `reuse`, runs that are finished elsewhere are results of
    its jobs; with `lint`, what looks odd about them is said, as on a command line."""

    sources: Sources
    plugins: tuple[str, ...] = ()
    reuse: bool = True
    lint: bool = True
    composer: Composer = field(init=False)

    def __post_init__(self) -> None:
        self.composer = Composer(self.sources)

    def again(self, folder: Path) -> str:
        """Return the line that does what is missing of the sweep in a folder."""
        return sweep_line(f"resume={shown_path(folder)}")


@dataclass(frozen=True)
class Job:
    """One run of a sweep; its number is the name of its folder. Where the overrides are invalid
    there is no configuration, and `error` says why."""

    number: int
    overrides: tuple[str, ...]
    arm: str = ""
    config: RunConfig | None = None
    error: str = ""


def check_jobs(found: Sequence[JobOverrides], current: Sweep) -> list[Job]:
    """Return the jobs that overrides mean, each with its configuration or what is wrong with it.

    Raises:
        ConfigError: if none of them is valid.
    """
    jobs = [check_job(number, overrides, current) for number, overrides in enumerate(found)]
    if all(job.config is None for job in jobs):
        errors = "\n".join(dict.fromkeys(job.error for job in jobs))
        many = f"none of the {len(jobs)} jobs is valid: " if len(jobs) > 1 else ""
        raise ConfigError(many + errors)
    return jobs


def check_job(number: int, overrides: JobOverrides, current: Sweep) -> Job:
    """Return a job with its configuration, or with what is wrong with it."""
    try:
        composed: Composed = current.composer.compose(overrides.overrides)
        config = parse(composed.values(), is_sweep=True, plugins=current.plugins)
        check_trains(config, "a sweep", "leave out -m")
        check_start(config.strategy, World.from_environment(), is_sweep=True)
        check_micro_batch(config, config.strategy.launch.processes or 1)
        return Job(number, composed.overrides, overrides.arm, config)
    except ConfigError as error:
        return Job(number, overrides.overrides, overrides.arm, error=str(error))


def outputs_of(configs: Iterable[RunConfig]) -> Path:
    """Return the folder of all results that the jobs of a sweep share; raise ConfigError where they
    name several."""
    found = dict.fromkeys(config.outputs for config in configs)
    if len(found) > 1:
        raise ConfigError(f"outputs must be one folder for all jobs, got {', '.join(found)}")
    return Path(next(iter(found)))


def begin(wanted: str | None, jobs: Sequence[Job]) -> Path:
    """Make a sweep's folder, named like the experiment of its first job, list its jobs there, and
    return it."""
    configs = [job.config for job in jobs if job.config is not None]
    folder = make_folder(wanted, configs[0].name, outputs_of(configs))
    listing = [
        {
            "job": job.number,
            "overrides": list(job.overrides),
            **({"arm": job.arm} if job.arm else {}),
        }
        for job in jobs
    ]
    text = yaml.safe_dump(listing, sort_keys=False, allow_unicode=True)
    replace_text(folder / SWEEP_FILE, text)
    return folder
