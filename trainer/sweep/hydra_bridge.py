"""Where Hydra's own program, a sweeper or a launcher of Hydra's is asked for by name."""

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainer.composition.compose import resolved
from trainer.composition.overrides import quote
from trainer.composition.search_path import Sources, load_plugins
from trainer.composition.tree import explained, is_from_1_4
from trainer.core.environment import variable
from trainer.core.errors import ConfigError
from trainer.record.run_folder import make_folder
from trainer.record.sweep_file import JobOverrides
from trainer.run.execute import execute
from trainer.run.request import RunRequest
from trainer.sweep.jobs import Sweep, check_job

# Hydra 1.4 knows one behaviour, and warns where one is named
VERSION_BASE: dict[str, Any] = {} if is_from_1_4(hydra.__version__) else {"version_base": "1.3"}
QUIET = ("hydra/hydra_logging=none", "hydra/job_logging=none")
SWEEPER, LAUNCHER = "hydra/sweeper=trainer", "hydra/launcher=trainer"


def launch(
    jobs: Mapping[int, Sequence[str]], folder: str, settings: Sequence[str], current: Sweep
) -> None:
    """Have jobs run by the launcher of Hydra's that `settings` name; a job's number is the name of
    its folder."""
    run = functools.partial(run_numbered, dict(jobs), current.sources, current.plugins)
    place = f"hydra.sweep.dir={quote(folder)}"
    with composed_by_hydra([*settings, place], current.sources) as (config, program):
        config.hydra.mode = RunMode.MULTIRUN
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(program.config_loader, Callbacks()),
            task_function=run,
            config=config,
        )
        launcher.launch([[f"hydra.sweep.subdir={number}"] for number in jobs], initial_job_idx=0)


def check_settings(settings: Sequence[str], sources: Sources) -> None:
    """Raise ConfigError if Hydra has no such launcher, or the launcher no such setting."""
    with composed_by_hydra(settings, sources):
        pass


@contextmanager
def composed_by_hydra(
    settings: Sequence[str], sources: Sources
) -> Iterator[tuple[DictConfig, Hydra]]:
    """Return what Hydra composes with settings of its own, and its program, for as long."""
    main, searched = places(sources)
    overrides = [*QUIET, SWEEPER, *settings, *searched]
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(main, "trainer", **VERSION_BASE):
            with reported(sources):
                config = hydra.compose(sources.primary, overrides, return_hydra_config=True)
            program = GlobalHydra.instance().hydra
            assert program is not None
            yield config, program
    finally:
        GlobalHydra.instance().hydra = before


def run_numbered(
    jobs: Mapping[int, Sequence[str]], sources: Sources, plugins: tuple[str, ...], cfg: DictConfig
) -> None:
    """Run the job that a launcher of Hydra's started, in a process that may be new."""
    node = HydraConfig.get()
    number = int(node.sweep.subdir)
    run_job(number, jobs[number], sources, plugins, node.runtime.output_dir)


def run_job(
    number: int, overrides: Sequence[str], sources: Sources, plugins: tuple[str, ...], folder: str
) -> float | None:
    """Run one job into a folder; return its best validation accuracy."""
    load_plugins(plugins)
    job = check_job(number, JobOverrides(tuple(overrides)), Sweep(sources, plugins))
    if job.config is None:
        raise ConfigError(job.error)
    request = RunRequest(job.config, job.overrides, folder=folder, quiet=True)
    return execute(request).best_val_top1


def sweep_by_hydra(overrides: Sequence[str], shared: Mapping[str, Any], current: Sweep) -> int:
    """Run a sweep by another sweeper of Hydra's, which makes the jobs; return the exit code.

    Args:
        overrides: of the command line.
        shared: the configuration that is all jobs'.
        current: the sweep.
    """
    sources, plugins = current.sources, current.plugins
    check_settings([word for word in overrides if word.startswith("hydra")], sources)
    place = []
    if not any(override.startswith("hydra.sweep.dir=") for override in overrides):
        outputs = resolved(dict(shared), "outputs")
        folder = make_folder(None, str(shared["name"]), Path(os.path.expanduser(outputs)))
        place = [f"hydra.sweep.dir={quote(str(folder))}"]

    def run(cfg: DictConfig) -> float | None:
        node = HydraConfig.get()
        words = [str(word) for word in OmegaConf.to_container(node.overrides.task) or []]
        number = int(node.job.num)
        return run_job(number, words, sources, plugins, node.runtime.output_dir)

    run_hydra(["-m", *overrides, *QUIET, *place], sources, run)
    return 0


def run_hydra(
    arguments: Sequence[str], sources: Sources, task: Callable[[DictConfig], Any] = lambda cfg: None
) -> None:
    """Hand a command line to Hydra's own program, which does `task` with a configuration.

    Raises:
        ConfigError: for whatever Hydra refuses.
    """
    main, searched = places(sources)
    with reported(sources), hydra_environment([*arguments, *searched]):
        hydra.main(config_path=main, config_name=sources.primary, **VERSION_BASE)(task)()


def places(sources: Sources) -> tuple[str, list[str]]:
    """Return the folder of the primary configuration, and the setting that names the others."""
    file = sources.file(sources.primary)
    assert file is not None  # something was composed of it
    others = [folder.absolute() for folder in sources.folders() if folder != file.parent]
    folders = ",".join(quote(f"file://{folder}") for folder in others)
    return str(file.parent.absolute()), [f"hydra.searchpath=[{folders}]"] if others else []


@contextmanager
def reported(sources: Sources) -> Iterator[None]:
    """Turn Hydra's errors into ours."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise explained(error, sources) from error


@contextmanager
def hydra_environment(arguments: Sequence[str]) -> Iterator[None]:
    """Let Hydra see a command line, and raise its errors instead of printing them."""
    argv = sys.argv
    handlers, level = logging.root.handlers[:], logging.root.level  # Hydra configures logging anew
    sys.argv = [argv[0], *arguments]
    try:
        with variable("HYDRA_FULL_ERROR", "1"):
            yield
    finally:
        sys.argv = argv
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
