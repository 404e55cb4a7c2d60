"""Checks of the overrides of a command line: of choices before they are composed, of keys against
the tree that was composed of them."""

import re
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from trainer.composition import not_built
from trainer.composition.other_tools import line_for_choice, line_for_key
from trainer.composition.overrides import Override
from trainer.composition.search_path import SEAMS, Sources
from trainer.composition.tree import ConfigFiles, Tree
from trainer.core.errors import ConfigError, nearest, unknown
from trainer.core.registry import Registry
from trainer.core.yaml_files import is_within

OF_ONE_RUN = ("hydra.run.dir", "hydra.job.chdir", "hydra.output_subdir")
OF_A_SWEEP = (
    *("hydra.sweep.dir", "hydra.job.chdir", "hydra.output_subdir"),
    *("hydra.launcher.workers", "hydra.launcher.timeout"),
    *("hydra.sweeper.params", "hydra.sweeper.arms", "hydra.sweeper.trials", "hydra.sweeper.seed"),
)


QUOTES = "'\""


class UnknownKey(ConfigError):
    """A key that the chosen parts do not have."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


def check_hydra_override(override: Override, *, is_sweep: bool, is_ours: bool = True) -> None:
    """Raise ConfigError for a setting of Hydra that would do nothing, or break what this program
    promises; `is_ours`: no sweeper or launcher but this program's runs it."""
    key = override.key
    if key in ("hydra.job.chdir", "hydra.output_subdir") and override.value not in (
        "false",
        "null",
    ):
        raise ConfigError(
            f"{override}: a run's folder is laid out by this program; leave {key} alone"
        )
    if any(part.startswith("_") for part in re.split(r"[./]", key)):
        raise ConfigError(
            f"{override}: what Hydra makes is chosen by name, as in hydra/launcher=basic"
        )
    if key == "hydra.searchpath":
        raise ConfigError(f"{override}: name a folder of configurations by --config-dir")
    check_resolvable(override)
    if not is_sweep and key not in OF_ONE_RUN:
        raise ConfigError(f"{override} is of sweeps (with -m): it would do nothing to a single run")
    if is_sweep and key == "hydra.run.dir":
        raise ConfigError(
            f"{override} is of a single run: name a sweep's folder by hydra.sweep.dir"
        )
    if is_sweep and is_ours and not is_within(key, OF_A_SWEEP):
        raise unknown("key", key, OF_A_SWEEP)


def check_resolvable(override: Override) -> None:
    """Raise ConfigError for a value that asks for what Hydra's own program would know."""
    written = override.value.replace("\\", "")  # a sweep's jobs have it quoted
    if "${hydra:" in written:
        raise ConfigError(
            f"{override.prefix}{override.key}={written.strip(QUOTES)}: ${{hydra:...}} cannot be "
            "used here; other keys, as in ${name}, and "
            "environment variables, as in ${oc.env:HOME}, can"
        )


def check_choice(override: Override, sources: Sources) -> None:
    """Raise ConfigError if a group has no such name, or two files of one."""
    group, options = override.key, sources.options(override.key)
    if group == "study":
        raise ConfigError(f"{override}: a study is a subcommand: study {override.value}")
    is_list = override.value.startswith("[")
    names = override.value.strip("[]").split(",") if is_list else [override.value]
    for name in map(str.strip, names):
        not_built.check_name(group, name)
        if name not in options and name in registered(group):
            raise ConfigError(
                f"{group}={name} is registered by a plugin and has no YAML: write "
                f"conf/{group}/{name}.yaml beside the plugin, with its name and its keys"
            )
        if name not in options:
            for folder in sources.folders():
                if (file := folder / group / f"{name}.yml").is_file():
                    raise ConfigError(f"{file} is not read: configurations end in .yaml; rename it")
            raise unknown(group, name, options, meant=line_for_choice(group, name))
        first, *others = sources.files(f"{group}/{name}")
        if others:
            raise ConfigError(
                f"{group}={name} is both {first} and {others[0]}: give yours another name"
            )
    if group not in SEAMS and not override.prefix:
        raise ConfigError(f"{override}: a preset is added to the default job: write +{override}")


def registered(group: str) -> Collection[str]:
    """Return the names that modules imported so far have registered in a group."""
    base = sys.modules.get(f"trainer.{group}.base")
    found = [v for v in vars(base).values() if isinstance(v, Registry)] if base else []
    return [name for registry in found for name in registry.registered()]


MISSING = object()


def check_key(override: Override, tree: Tree, files: ConfigFiles) -> None:
    """Raise ConfigError unless a key exists in a composed tree.

    A mapping within a part, such as `scheduler.args`, is a value, whose own keys are free.
    """
    key = override.key
    not_built.check_key(key)
    not_built.check_name(key, override.value)
    check_resolvable(override)
    parts = key.split(".")
    depth = depth_of(tree, parts)
    value = value_at(tree, parts[: depth + 1])
    if parts[0] == "hydra" or value is MISSING or (depth and parts[depth:] == ["name"]):
        raise unknown_key(override, tree, files)
    if len(parts) <= depth:
        example = next((k for k in known_keys(tree) if k.startswith(f"{key}.")), f"{key}.name")
        raise ConfigError(
            f"{override}: {key} is a group of keys; set one of them, such as {example}"
        )
    if len(parts) > depth + 1 and not isinstance(value, dict | list | None):
        raise unknown_key(override, tree, files)
    if override.prefix == "+" and value_at(tree, parts) is not MISSING:
        raise ConfigError(f"{override}: {key} exists already; write it without +")


def has_key(tree: Tree, key: str) -> bool:
    """Return whether a composed tree has a key."""
    parts = key.split(".")
    return value_at(tree, parts[: depth_of(tree, parts) + 1]) is not MISSING


def depth_of(tree: Tree, parts: Sequence[str]) -> int:
    """Return how many parts of a dotted key name the group that holds it."""
    return (2 if parts[0] == "augment" else 1) if isinstance(tree.get(parts[0]), dict) else 0


def value_at(tree: Any, parts: Sequence[str]) -> Any:
    """Return the value under a path, MISSING where there is none."""
    for part in parts:
        if isinstance(tree, list) and part.isdecimal() and int(part) < len(tree):
            tree = tree[int(part)]
        elif isinstance(tree, dict) and part in tree:
            tree = tree[part]
        else:
            return MISSING
    return tree


def known_keys(tree: Tree) -> list[str]:
    """Return the dotted keys of a composed tree, without the names of its choices."""
    keys: list[str] = []
    for key, value in tree.items():
        parts = value.items() if key == "augment" and isinstance(value, dict) else [("", value)]
        for name, part in parts if key != "hydra" else ():
            where = f"{key}.{name}" if name else key
            if not isinstance(part, dict):
                keys.append(where)
            else:
                keys += [f"{where}.{k}" for k in part if k != "name"]
    return sorted(keys)


def unknown_key(override: Override, tree: Tree, files: ConfigFiles) -> UnknownKey:
    """Return the error for a key that a composed tree does not have: the choices that have it, what
    other tools mean by it, or the nearest match."""
    key = override.key
    group, last = key.split(".")[0], key.rsplit(".", 1)[-1]
    if group in SEAMS and last == "name":
        return UnknownKey(f"unknown key '{key}'; choose a part by {group}={override.value}", key)
    owners = owners_of(key, files)
    if owners:
        return UnknownKey(
            f"unknown key '{key}' for the chosen {group}; it belongs to "
            f"{' or '.join(f'{group}={name}' for name in owners)}",
            key,
        )
    known = known_keys(tree)
    here = [k for k in known if k.startswith(f"{group}.")]
    line = line_for_key(key, override.value)
    if line:
        return UnknownKey(f"unknown key '{key}'; here: {with_known_name(line, files)}", key)
    elsewhere = owners_elsewhere(key, files)
    if elsewhere:
        return UnknownKey(f"unknown key '{key}'; {elsewhere}", key)
    match = nearest_last(key, here) or nearest(key, [*known, *files.place.groups()])
    match = match or nearest_last(key, known)
    hint = f"; did you mean '{match}'?" if match else ""
    return UnknownKey(
        f"unknown key '{key}'{hint}" + (f" known: {', '.join(here)}" if here else ""), key
    )


def owners_of(key: str, files: ConfigFiles) -> list[str]:
    """Return the choices of the key's group that do have it."""
    group, *parts = key.split(".")
    names = files.place.options(group) if group in SEAMS else []
    if group == "augment":
        names, parts = [name for name in names if name == parts[0]], parts[1:]
    return [
        name
        for name in names
        if parts[:1] not in ([], ["name"])
        and value_at(files.keys(group, name), parts[:1]) is not MISSING
    ]


def with_known_name(line: str, files: ConfigFiles) -> str:
    """Return a line, the name that it chooses replaced by the nearest that there is."""
    group, _, name = line.partition("=")
    options = files.place.options(group) if group in SEAMS and " " not in line else []
    match = None if name in options else nearest(name, options)
    return line if match is None else f"{group}={match}"


def owners_elsewhere(key: str, files: ConfigFiles) -> str:
    """Return in words which choices have a key of this very name, where it was written without its
    group; empty where none has."""
    found = {}
    for group in SEAMS if "." not in key else ():
        whole = f"{group}.{key.lower()}"
        names = owners_of(whole, files)
        if names:
            found[whole] = f"{whole} belongs to {' or '.join(f'{group}={n}' for n in names)}"
    return "; ".join(found.values())


def nearest_last(key: str, known: Iterable[str]) -> str | None:
    """Return a known key whose last part is most like `key`'s: `lr` finds `optim.lr`."""
    by_last: dict[str, str] = {}
    for k in known:
        by_last.setdefault(k.rsplit(".", 1)[-1], k)
    match = nearest(key.rsplit(".", 1)[-1], by_last)
    return by_last[match] if match else None
