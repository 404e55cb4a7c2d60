"""From overrides on a command line to one composed configuration: choices first, then values, each
checked against the tree that the choices make.

Hydra's rules compose. What is added: presets whose parts are replaced, and whole recorded runs used
as presets (`repeat=`). Imports no torch, so that mistakes are answered at once.
"""

import functools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override as ParsedOverride
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainer.composition.check_overrides import (
    MISSING,
    check_choice,
    check_hydra_override,
    check_key,
    has_key,
    value_at,
)
from trainer.composition.overrides import Override, canonical, parse_override, quote, quoted
from trainer.composition.replay import REPLAYED, store_replayed
from trainer.composition.search_path import SEAMS, Sources
from trainer.composition.tree import PARSER, ConfigFiles, Tree, copied
from trainer.core.convert import shown, typed
from trainer.core.errors import ConfigError, unknown
from trainer.core.yaml_files import flat

DEFAULT_DIR = "<outputs>/<name>/<date>_<time>_<id>"

# What a preset of a sweep may hold besides the values of one run, where Hydra itself reads it.
SWEEPER = {"params": None, "arms": None, "trials": None, "seed": 0}
LAUNCHER = {"workers": None, "timeout": "600s"}

for _group, _node in (("hydra/sweeper", SWEEPER), ("hydra/launcher", LAUNCHER)):
    ConfigStore.instance().store("trainer", _node, group=_group, provider="trainer")

# What of Hydra's own node must be keys and values, or nothing.
ALWAYS_THERE = ("hydra", "hydra.run", "hydra.sweep", "hydra.job")
HYDRA_NODES = (*ALWAYS_THERE, "hydra.sweeper", "hydra.launcher")

Choices = tuple[Override, ...]


@dataclass(frozen=True)
class Composed:
    """What a command line means.

    Attributes:
        tree: the composed configuration as plain data, without Hydra's own node; interpolations
            are not resolved.
        overrides: under their canonical names, Hydra's left out.
        notes: lines for the user, such as what was dropped from a preset.
        run_dir: folder of the run where the user gave one, else None.
        is_sweep: whether a preset names values to sweep over.
    """

    tree: Tree
    overrides: tuple[str, ...]
    notes: tuple[str, ...] = ()
    run_dir: str | None = None
    is_sweep: bool = False

    @property
    def cfg(self) -> DictConfig:
        """The composed configuration as OmegaConf has it, which resolves interpolations."""
        return OmegaConf.create(self.tree, flags={"struct": True})

    def values(self) -> Tree | DictConfig:
        """Return the tree, as OmegaConf has it where there is something to resolve or missing."""
        text = str(self.tree)
        return self.cfg if "${" in text or "???" in text else self.tree


@dataclass(frozen=True)
class Base:
    """What choices compose to, before any value is set: plain values, Hydra's own node among them;
    the name chosen in each group; notes on what was dropped from a preset."""

    tree: Tree
    choices: Mapping[str, str]
    notes: tuple[str, ...] = ()


def compose_overrides(
    texts: Sequence[str], sources: Sources | None = None, replayed: Mapping[str, Any] | None = None
) -> Composed:
    """Return what a command line composes to.

    Args:
        texts: overrides such as `optim=adam` or `optim.lr=0.1`.
        sources: where configurations are looked up.
        replayed: a recorded run's configuration, under the overrides: a preset of everything.

    Raises:
        ConfigError: naming the override that is wrong, before anything was created and without
            importing torch.
    """
    return Composer(sources or Sources(), replayed).compose(texts)


class Composer:
    """Composes command lines of single runs and of the jobs of a sweep. Lines with the same choices
    share what these compose to.

    Args:
        sources: where configurations are looked up.
        replayed: a recorded run's configuration, a preset under every line.
    """

    def __init__(self, sources: Sources, replayed: Mapping[str, Any] | None = None) -> None:
        setup_globals()  # resolvers of Hydra's, such as ${now:%Y}
        self.sources = sources
        self.groups = sources.groups()
        self.files = ConfigFiles(sources)
        self.bases: dict[Choices, Base | ConfigError] = {}
        self.recorded: Choices = ()
        if replayed is not None:
            store_replayed(replayed)
            self.recorded = (Override("+", "experiment", REPLAYED),)

    def compose(self, texts: Sequence[str]) -> Composed:
        """Return what the overrides of one run compose to.

        Raises:
            ConfigError: naming the override that is wrong.
        """
        overrides, choices, values = self.split(texts)
        base = self.check(choices, values)
        tree = self.tree_with(choices, values)
        node = tree["hydra"]
        run_dir = str(node["run"]["dir"])
        if "${" in run_dir:
            run_dir = resolved(tree, "hydra.run.dir")
        sweeper = node.get("sweeper") or {}
        del tree["hydra"]
        check_length(tree, values)
        return Composed(
            tree,
            tuple(str(w) for w in overrides if not w.key.startswith("hydra")),
            (*base.notes, *given_twice(overrides)),
            None if run_dir == DEFAULT_DIR else run_dir,
            bool(sweeper.get("params") or sweeper.get("arms") or node.get("mode") == "MULTIRUN"),
        )

    def split(self, texts: Sequence[str]) -> tuple[list[Override], Choices, list[Override]]:
        """Return the overrides of one run under their canonical names: all of them, those that
        choose parts, and those that set values."""
        parsed = [parse_override(text) for text in texts]
        overrides = [quoted(w, is_sweep=False) for w in canonical(parsed)]
        choices = tuple(w for w in overrides if self.is_choice(w))
        return overrides, choices, [w for w in overrides if not self.is_choice(w)]

    def is_choice(self, override: Override) -> bool:
        """Return whether an override chooses a part or a preset."""
        return override.key in self.groups

    def check(self, choices: Choices, values: Sequence[Override]) -> Base:
        """Return what choices compose to; raise ConfigError for an override that does not fit."""
        base = self.base(choices)
        for override in values:
            if override.key.startswith("hydra"):
                check_hydra_override(override, is_sweep=False)
            else:
                check_key(override, base.tree, self.files)
        return base

    def base(self, choices: Choices) -> Base:
        """Return what choices alone compose to; raise ConfigError for one that does not exist."""
        if choices not in self.bases:
            try:
                self.bases[choices] = self.compose_choices(choices)
            except ConfigError as error:
                self.bases[choices] = error
        made = self.bases[choices]
        if isinstance(made, ConfigError):
            raise made
        return made

    def compose_choices(self, choices: Choices) -> Base:
        """Compose choices, giving every part that replaces a preset's its own values.

        Hydra merges a preset's `optim.lr` into whatever optimizer is chosen; here it counts for the
        preset's own alone.
        """
        for override in choices:
            if parsed(override).is_sweep_override() and not override.value.startswith("["):
                raise ConfigError(several(override))
            check_choice(override, self.sources)
        choices = (*self.recorded, *choices)
        full, names = self.load(choices)
        presets = tuple(w for w in choices if w.key not in SEAMS)
        if not presets:
            return Base(full, names)
        preset, preset_names = self.load(presets)
        replaced = [group for group in SEAMS if names[group] != preset_names[group]]
        own, _ = self.load(tuple(w for w in choices if w.key in replaced))
        plain, _ = self.load(tuple(Override("", g, preset_names[g]) for g in replaced))
        notes = []
        for group in replaced:
            full[group] = own[group]
            dropped = changed(plain[group], preset[group], group)
            if dropped:
                notes.append(
                    f"{group}={names[group]} replaces the preset's {preset_names[group]}; "
                    f"dropped: {', '.join(dropped)}"
                )
        return Base(full, names, tuple(notes))

    def load(self, choices: Choices) -> tuple[Tree, dict[str, str]]:
        """Return the tree of choices by Hydra's rules, and the name chosen in each group, several
        as a list."""
        if not self.sources.file(self.sources.primary):
            options = [f.stem for folder in self.sources.folders() for f in folder.glob("*.yaml")]
            raise unknown("configuration", self.sources.primary, options)
        tree, names = self.files.compose(self.sources.primary, [str(w) for w in choices])
        for key in HYDRA_NODES:
            node = value_at(tree, key.split("."))
            if key in ALWAYS_THERE or node not in (MISSING, None):
                check_mapping(key, node)
        for key in ("hydra.run.dir", "hydra.sweep.dir"):
            if not isinstance(folder := value_at(tree, key.split(".")), str):
                raise ConfigError(f"{key} must be a folder, got {shown(folder)}")
        for group in SEAMS:
            part = check_mapping(group, tree.get(group))
            if group == "augment":  # values without a name are a preset's for another choice
                chosen = [
                    name for name, of in part.items() if isinstance(of, dict) and "name" in of
                ]
                names[group] = f"[{','.join(chosen)}]"
            elif group in names and part.get("name") != names[group]:
                tree[group] = {**self.files.part(group, names[group]), **part}
        return tree, names

    def knows(self, choices: Choices, key: str) -> bool:
        """Return whether choices are valid and have a key."""
        try:
            return has_key(self.base(choices).tree, key)
        except ConfigError:
            return False

    def tree_with(self, choices: Choices, values: Sequence[Override]) -> Tree:
        """Return what choices compose to with values set, Hydra's own node included."""
        tree: Tree = copied(self.base(choices).tree)
        for override in values:
            set_value(tree, override)
        return tree


@functools.lru_cache(maxsize=10_000)
def parsed(override: Override) -> ParsedOverride:
    """Return an override as Hydra's grammar reads it; raise ConfigError if it cannot."""
    try:
        return PARSER.parse_override(str(override))
    except HydraException as error:
        raise ConfigError(
            f"cannot read the value of {override.key}: {shown(override.value)}; {remedy(override)}"
        ) from error


def remedy(override: Override) -> str:
    """Return how a value that Hydra's grammar does not read can be written."""
    value = override.value
    if value[:1] in "[{":
        return (
            "in lists and mappings, text with signs such as brackets, blanks or colons goes in "
            "double quotes, and the whole in single ones: 'key=[{match: \"layer[1-2]\"}]'"
        )
    key = f"{override.prefix}{override.key}="
    if value[:1] in ("'", '"') and value.endswith(f"\\{value[0]}") and len(value) > 2:
        line = shlex.quote(key + quote(value[1:-1]))
        return f"a backslash before the last quote makes it part of the text: write {line}"
    return f"quote it if it is text: {shlex.quote(key + quote(value))}"


def given_twice(overrides: Sequence[Override]) -> Iterator[str]:
    """Yield a line for each key that a command line sets more than once."""
    lines: dict[str, list[Override]] = {}
    for override in overrides:
        lines.setdefault(override.key, []).append(override)
    for key, found in lines.items():
        if len({str(override) for override in found}) > 1 and key not in ("experiment", "sweep"):
            yield f"{key} is given {len(found)} times: the last counts, {found[-1]}"


def check_length(tree: Tree, values: Sequence[Override]) -> None:
    """Raise ConfigError if a line names the epochs of a run whose length is a time; those of a
    preset, or the default, stand behind the time."""
    for key in ("max_time", "time_plan"):
        named = [override for override in values if override.key == "epochs"]
        if named and tree.get(key) is not None:
            raise ConfigError(
                f"{named[-1]} has no effect with {key}={tree[key]}, which says when the run "
                f"ends: leave one of them out, or write {key}=null"
            )


def check_mapping(key: str, value: Any) -> Tree:
    """Return a part of a tree; raise ConfigError unless it is keys and values."""
    if not isinstance(value, dict):
        raise ConfigError(f"{key} must be keys and values, got {shown(value)}")
    return value


def several(override: Override) -> str:
    """Return the refusal of several values where there must be one."""
    return (
        f"{override} names several values: write -m first to sweep over them, "
        f"or brackets for a list: {override.key}=[...]"
    )


def set_value(tree: Tree, override: Override) -> None:
    """Set the value of a key in a tree whose keys were checked."""
    one = parsed(override)
    if one.is_sweep_override():
        raise ConfigError(several(override))
    *parents, last = override.key.split(".")
    at: Any = tree
    for part in parents:
        inner = at[int(part)] if isinstance(at, list) else at.get(part)
        inner = list(inner) if isinstance(inner, list) else dict(inner or {})
        at[int(part) if isinstance(at, list) else part] = inner
        at = inner
    value = one.value()
    if isinstance(at, list):
        at[int(last)] = value
    elif isinstance(value, dict) and isinstance(at.get(last), dict):
        at[last] = {**at[last], **value}
    else:
        at[last] = value


def resolved(tree: Tree, key: str) -> str:
    """Return the text of a key of a tree, its interpolations resolved."""
    try:
        return str(OmegaConf.select(OmegaConf.create(tree), key))
    except OmegaConfBaseException as error:
        raise ConfigError(f"{key}: {str(error).splitlines()[0]}") from error


def changed(before: Tree, after: Tree, prefix: str) -> list[str]:
    """Return `key=value` for every leaf of `after` that differs from `before`'s."""
    old = {key: value_at(before, key.split(".")) for key in flat(before)}
    new = {key: value_at(after, key.split(".")) for key in flat(after)}
    return [f"{prefix}.{k}={typed(v)}" for k, v in new.items() if k not in old or old[k] != v]
