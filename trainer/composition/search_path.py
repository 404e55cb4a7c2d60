"""Where configurations are found. Imports neither Hydra nor torch."""

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.core.convert import shown
from trainer.core.errors import ConfigError

HERE = Path(__file__).resolve().parents[1]

CONF = next(
    (d for d in (HERE / "conf", HERE.parent / "conf") if (d / "config.yaml").is_file()),
    HERE.parent / "conf",
)

SEAMS = (
    "task",
    "data",
    "augment",
    "model",
    "optim",
    "scheduler",
    "average",
    "mix",
    "loss",
    "precision",
    "strategy",
)


@dataclass(frozen=True)
class Sources:
    """Where configurations are looked up: in the project's own folder, and in those of the user and
    of plugins."""

    primary: str = "config"
    extra: tuple[Path, ...] = ()

    def folders(self) -> tuple[Path, ...]:
        """Return all folders, the project's own first."""
        return (CONF, *self.extra)

    def file(self, path: str) -> Path | None:
        """Return the file of a configuration such as `optim/adam`, or None."""
        return next(iter(self.files(path)), None)

    def files(self, path: str) -> list[Path]:
        """Return the files of a configuration in all folders."""
        candidates = (folder / f"{path}.yaml" for folder in self.folders())
        return [file for file in candidates if file.is_file()]

    def groups(self) -> set[str]:
        """Return the names of all groups."""
        return {
            d.name
            for folder in self.folders()
            for d in folder.iterdir()
            if d.is_dir() and d.name[0] not in "._"
        }

    def options(self, group: str) -> list[str]:
        """Return the names that a group offers."""
        bases = [folder / group for folder in self.folders()]
        files = [(base, f) for base in bases for f in base.rglob("*.yaml") if f.is_file()]
        return sorted({str(f.relative_to(base).with_suffix("")) for base, f in files})


def load_plugins(
    plugins: Sequence[str], config_dir: str | Path | None = None, primary: str = "config"
) -> Sources:
    """Import modules of components and return where configurations are looked up from now on.

    Entry points of the group `trainer.plugins` are imported as well. The `conf/` beside a module is
    searched too.

    Args:
        plugins: dotted names of modules.
        config_dir: the user's own folder of configurations.
        primary: name of the primary configuration.

    Raises:
        ConfigError: if a module cannot be imported or the folder does not exist.
    """
    extra = []
    if config_dir is not None:
        folder = Path(os.path.expanduser(config_dir)).absolute()
        if not folder.is_dir():
            raise ConfigError(f"--config-dir {config_dir}: no such folder")
        extra.append(folder)
    installed = [point.value for point in importlib.metadata.entry_points(group="trainer.plugins")]
    if plugins and os.getcwd() not in map(os.path.abspath, sys.path):
        sys.path.append(os.getcwd())  # a console script does not look there
    for name in [*plugins, *installed]:
        if name.startswith("."):
            raise ConfigError(f"plugins: {shown(name)} must be a module's whole name, as in a.b")
        try:
            module = importlib.import_module(name)
        except Exception as error:  # whatever the module's own lines raise
            what = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
            raise ConfigError(f"plugins: cannot import {shown(name)}: {what}{error}") from error
        conf = Path(module.__file__ or ".").absolute().parent / "conf"
        if conf.is_dir():
            extra.append(conf)
    return Sources(primary, tuple(dict.fromkeys(extra)))
