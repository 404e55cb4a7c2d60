"""Between the command line and Hydra's machinery of sweepers and launchers."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainer.composition.compose import told
from trainer.composition.overrides import quote
from trainer.composition.search_path import CONF, Sources
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.record.sweep_file import JobOverrides
from trainer.run.execute import execute
from trainer.run.request import RunRequest
from trainer.sweep.jobs import CURRENT, Sweep, check_job

PLUGINS = Path(__file__).resolve().parent


def through_hydra(overrides: Sequence[str], current: Sweep) -> int:
    """Run a sweep by Hydra's machinery, so that sweepers and launchers of others can be named;
    return the exit code."""
    for override in overrides if World.from_environment().is_torchrun else ():
        part, _, name = override.partition("=")
        if part in ("hydra/sweeper", "hydra/launcher") and name != "trainer":
            raise ConfigError(
                f"{override} under torchrun: the processes run the jobs together, one after the "
                f"other; leave {part} out, or start without torchrun"
            )
    token = CURRENT.set(current)
    try:
        run_hydra(["-m", *overrides], current.sources)
    finally:
        CURRENT.reset(token)
    return current.exit_code


def run_hydra(arguments: Sequence[str], sources: Sources) -> None:
    """Hand a command line to Hydra; its errors come out as ours.

    Raises:
        ConfigError: for whatever Hydra refuses.
    """
    extra = (
        [f"hydra.searchpath=[{','.join(quote(f'file://{f}') for f in sources.extra)}]"]
        if sources.extra
        else []
    )
    with hydra_environment([*arguments, *extra]):
        try:
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=sources.primary)(
                task
            )()
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(told(error)) from error


@contextmanager
def hydra_environment(arguments: Sequence[str]) -> Iterator[None]:
    """Let Hydra see a command line, find our plugins, and raise its errors instead of printing
    them."""
    argv, path = sys.argv, list(sys.path)
    variables = {name: os.environ.get(name) for name in ("HYDRA_FULL_ERROR", "PYTHONPATH")}
    handlers, level = logging.root.handlers[:], logging.root.level  # Hydra configures logging anew
    sys.argv = [argv[0], *arguments]
    sys.path.insert(0, str(PLUGINS))  # holds the `hydra_plugins` namespace
    paths = [str(PLUGINS), *filter(None, [variables["PYTHONPATH"]])]
    # a launcher's processes look for it too
    os.environ.update(HYDRA_FULL_ERROR="1", PYTHONPATH=os.pathsep.join(paths))
    plugin = importlib.import_module("hydra_plugins.trainer_sweeper")
    for member in (plugin.TrainerSweeper, plugin.TrainerLauncher):
        Plugins.instance().register(
            member
        )  # found by scanning too, unless Hydra had scanned before
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, path
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        for name, value in variables.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def task(cfg: DictConfig) -> float | None:
    """Run one job that a launcher of Hydra's started; return its best validation accuracy, for
    sweepers that search."""
    node = HydraConfig.get()
    overrides = list(OmegaConf.to_container(node.overrides.task) or [])
    composed: Any = HydraConfig.instance().cfg
    number = int(OmegaConf.select(composed, "hydra.job.num", default=0))
    current = CURRENT.get(Sweep(Sources()))
    job = check_job(number, JobOverrides(tuple(str(w) for w in overrides)), current)
    if job.config is None:
        raise ConfigError(job.error)
    row = execute(RunRequest(job.config, job.overrides, folder=node.runtime.output_dir, quiet=True))
    return row.best_val_top1


def launch_for_hydra(job_overrides: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
    """Refuse: our launcher serves our sweeper only."""
    raise ConfigError(
        "hydra/launcher=trainer works with hydra/sweeper=trainer; "
        "name hydra/launcher=basic beside another sweeper"
    )
