"""The same from Python, for notebooks: `compose` a configuration and `train` it."""

from __future__ import annotations

from pathlib import Path

from trainer.composition.compose import compose_overrides
from trainer.composition.search_path import load_plugins
from trainer.config.run_config import RunConfig, parse
from trainer.record.runs import RunRow
from trainer.run.device import settings_restored
from trainer.run.execute import execute
from trainer.run.request import RunRequest
from trainer.task.base import check_trains


def compose(
    *overrides: str, config_dir: str | Path | None = None, plugins: tuple[str, ...] = ()
) -> RunConfig:
    """Return the configuration that overrides of a command line mean.

    Args:
        overrides: such as `"scheduler=cosine"`, `"optim.lr=0.1"`, `"+experiment=mnist"`.
        config_dir: folder of configurations of your own.
        plugins: modules with components of your own.

    Raises:
        ConfigError: naming the override that is wrong.
    """
    sources = load_plugins(plugins, config_dir)
    composed = compose_overrides(overrides, sources)
    return parse(composed.cfg, plugins=plugins)


def train(config: RunConfig, *, folder: str | Path | None = None, quiet: bool = False) -> RunRow:
    """Train one run, record it as the command line does, and return its record.

    Threads, random numbers and number formats of the calling program are as they were afterwards.

    Args:
        config: from `compose`.
        folder: where the record goes; a new folder under `outputs/` by default.
        quiet: print nothing.

    Raises:
        Diverged: if training diverged; the record says so too.
        TrainerError: for everything else that a user can mend.
    """
    check_trains(config, "train()", "trainer.task.base.perform(RunRequest(config)) does that")
    request = RunRequest(config, folder=None if folder is None else str(folder), quiet=quiet)
    with settings_restored():
        return execute(request)
