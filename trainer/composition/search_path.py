"""Where configurations are found, and what they hold, read as plain data. Imports neither Hydra nor
torch."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.core.convert import shown
from trainer.core.errors import ConfigError
from trainer.core.yaml_files import flat, read_yaml

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
    """Where configurations are looked up.

    Attributes:
        primary: name of the primary configuration.
        extra: folders searched besides the project's own: the user's and those of plugins.
    """

    primary: str = "config"
    extra: tuple[Path, ...] = ()

    def folders(self) -> tuple[Path, ...]:
        """Return all folders; earlier ones win."""
        return (*self.extra, CONF)

    def file(self, path: str) -> Path | None:
        """Return the file of a configuration such as `optim/adam`, or None."""
        candidates = (folder / f"{path}.yaml" for folder in self.folders())
        return next((file for file in candidates if file.is_file()), None)

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
        found: set[str] = set()
        for folder in self.folders():
            base = folder / group
            found |= (
                {str(f.relative_to(base).with_suffix("")) for f in base.rglob("*.yaml")}
                if base.is_dir()
                else set()
            )
        return sorted(found)


def known_keys(
    sources: Sources, chosen: Mapping[str, str], replayed: Mapping[str, Any] | None = None
) -> list[str]:
    """Return every dotted key of the primary configuration and of the chosen parts; of all parts in
    a sweep.

    Args:
        sources: where configurations are looked up.
        chosen: what the words choose, by group.
        replayed: a recorded run's configuration, whose choices stand where the words make none.
    """
    base = read_yaml(CONF / "config.yaml")
    primary = read_yaml(sources.file(sources.primary) or CONF / "config.yaml")
    keys = flat({k: v for k, v in {**base, **primary}.items() if k not in ("defaults", "hydra")})
    defaults = default_choices()
    presets = [f"{g}/{n}" for g, names in chosen.items() if g not in SEAMS for n in listed(names)]
    for group in SEAMS:
        names = listed(chosen.get(group, defaults.get(group, "none")))
        if group not in chosen:
            names += preset_names(sources, presets, group)
            names += recorded_names(replayed, group)
        options = sources.options(group)
        for name in names if all(n in options for n in names) else options:
            keys += choice_keys(sources, group, name)
    return sorted(set(keys))


def default_choices() -> dict[str, list[str]]:
    """Return what the project's primary configuration chooses, by group."""
    entries = read_yaml(CONF / "config.yaml")["defaults"]
    return {k: listed(v) for entry in entries if isinstance(entry, dict) for k, v in entry.items()}


def listed(value: object) -> list[str]:
    """Return the names in a choice: one, or several in a list."""
    if isinstance(value, list):
        return [str(v) for v in value]
    return [name for name in re.split(r"[,\s]+", str(value).strip("[] ")) if name]


def recorded_names(tree: Mapping[str, Any] | None, group: str) -> list[str]:
    """Return the names that a recorded configuration chose in a group."""
    part = tree.get(group) if tree else None
    if not isinstance(part, dict):
        return []
    return [str(n) for n in part] if group == "augment" else listed(part.get("name", []))


def preset_names(sources: Sources, presets: Iterable[str], group: str) -> list[str]:
    """Return what presets, and those they build on, choose in a group."""
    found: list[str] = []
    for preset in presets:
        file = sources.file(preset)
        for entry in read_yaml(file).get("defaults", []) if file else []:
            if isinstance(entry, str) and entry != "_self_":
                folder = preset.rsplit("/", 1)[0]
                found += preset_names(
                    sources, [entry[1:] if entry[0] == "/" else f"{folder}/{entry}"], group
                )
            for key, value in entry.items() if isinstance(entry, dict) else ():
                target = key.removeprefix("override").strip().strip("/")
                if target == group:
                    found += listed(value)
                elif target not in SEAMS:
                    found += preset_names(sources, [f"{target}/{n}" for n in listed(value)], group)
    return found


def choice_keys(sources: Sources, group: str, name: str) -> list[str]:
    """Return the dotted keys of one choice: those of its file and of the built-in one that it
    names."""
    file = sources.file(f"{group}/{name}")
    content = read_yaml(file) if file else {}
    built_in = CONF / group / f"{content.get('name', name)}.yaml"
    merged = {**(read_yaml(built_in) if built_in.is_file() else {}), **content}
    for key in ("defaults", "name"):  # a choice is named by its group's word alone
        merged.pop(key, None)
    return flat(merged, f"{group}.{name}." if group == "augment" else f"{group}.")


def load_plugins(
    plugins: Sequence[str], config_dir: str | Path | None = None, primary: str = "config"
) -> Sources:
    """Import modules of components and return where configurations are looked up from now on.

    Entry points of the group `trainer.plugins` are imported as well. The `conf/` beside a module is
    searched too.

    Args:
        plugins: dotted names of modules.
        config_dir: the user's own folder of configurations, searched first.
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
