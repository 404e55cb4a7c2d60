"""Where configurations are found, and what they hold, read as plain data. Imports neither Hydra nor
torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trainer.errors import ConfigError

HERE = Path(__file__).resolve().parent
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
MAX_BYTES = 256_000
MAX_DEPTH = 40
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast


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


def flat(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys of a tree's leaves."""
    keys: list[str] = []
    for key, value in tree.items():
        nested = isinstance(value, dict) and value
        keys += flat(value, f"{prefix}{key}.") if nested else [f"{prefix}{key}"]
    return keys


def leaf(tree: Mapping[str, Any], key: str) -> Any:
    """Return the value under a dotted key."""
    value: Any = tree
    for part in key.split("."):
        value = value[part]
    return value


def check_events(path: Path, events: Iterable[yaml.Event]) -> None:
    """Raise ConfigError for aliases, and for nesting so deep that the loader would overflow."""
    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"{path} holds YAML aliases, which configurations may not")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(f"{path} is nested deeper than {MAX_DEPTH}: not a configuration")


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file of configuration as plain data; raise ConfigError if it cannot be read.

    Anchors, aliases and more than 256 kB are refused: a few lines of aliases can fill the memory.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is larger than 256 kB: not a configuration")
        text = path.read_text(encoding="utf-8")
        check_events(path, yaml.parse(text, Loader=Loader))
        content = yaml.load(text, Loader=Loader)  # safe: it makes plain data only
    except (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"cannot read {path}: {reason}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values")
    return content
