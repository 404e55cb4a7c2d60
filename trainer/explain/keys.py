"""What is said of a key: meaning, kind, range, default, which choices have it, other spellings."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.composition.overrides import RENAMED, SPELLINGS
from trainer.composition.search_path import CONF, SEAMS, Sources
from trainer.core.convert import typed
from trainer.core.yaml_files import flat, leaf, read_yaml
from trainer.explain import sources

OUTSIDE = ("hydra", "defaults")  # of conf/config.yaml: no keys of a run


@dataclass(frozen=True)
class KeyText:
    """A key as it is explained.

    Attributes:
        key: dotted.
        meaning: of the dataclass; the YAML's comment where that has none.
        comment: of the YAML, which is shorter; empty where there is none.
        kind: what it takes, in words.
        allowed: range of its values, empty where there is none.
        defaults: the default of each choice that has it, by name; of the whole configuration under
            an empty name.
        spellings: other words for it.
    """

    key: str
    meaning: str
    comment: str
    kind: str
    allowed: str
    defaults: Mapping[str, str]
    spellings: tuple[str, ...]

    def is_of_all(self, options: list[str]) -> bool:
        """Return whether every choice of its group has it."""
        return set(options) == set(self.defaults)


def root_keys() -> dict[str, Any]:
    """Return the keys beside the groups, with their defaults."""
    tree = {k: v for k, v in read_yaml(CONF / "config.yaml").items() if k not in OUTSIDE}
    return {key: leaf(tree, key) for key in flat(tree)}


@functools.cache
def content(file: Path | None) -> dict[str, Any]:
    """Return the keys of a choice's file, which is read once."""
    return read_yaml(file) if file else {}


def owners(group: str, field: str, found: Sources) -> Iterator[tuple[str, Any]]:
    """Yield the choices of a group that have a key, with their default."""
    for name in found.options(group):
        values = content(found.file(f"{group}/{name}"))
        if field in values and field != "name":
            yield name, values[field]


def all_keys(found: Sources) -> dict[str, list[str]]:
    """Return every dotted key, with the choices that have it (none for keys beside the groups)."""
    keys: dict[str, list[str]] = {key: [] for key in root_keys()}
    for group in SEAMS:
        for name in found.options(group):
            where = f"augment.{name}" if group == "augment" else group
            for field in content(found.file(f"{group}/{name}")):
                if field not in ("name", "defaults"):
                    keys.setdefault(f"{where}.{field}", []).append(name)
    return keys


def key_text(key: str, chosen: str, found: Sources) -> KeyText:
    """Return what is said of a key, for a choice of its group that has it."""
    group, _, field = key.partition(".")
    if group not in SEAMS:
        field = key.rpartition(".")[2]
        group, defaults = "config", {"": typed(root_keys()[key])}
        said = sources.comment("", "", field)
    elif group == "augment":
        chosen, _, field = field.partition(".")
        defaults = {chosen: typed(dict(owners(group, field, found))[chosen])}
        said = sources.comment(group, chosen, field)
    else:
        defaults = {name: typed(value) for name, value in owners(group, field, found)}
        chosen = chosen if chosen in defaults else next(iter(defaults))
        said = sources.comment(group, chosen, field)
    return KeyText(
        key,
        sources.meaning(group, chosen, field) or said,
        said,
        sources.kind(group, chosen, field),
        sources.allowed_range(group, key),
        defaults,
        tuple(spellings(key)),
    )


def spellings(key: str) -> Iterator[str]:
    """Yield other words for a key."""
    for tried, meant in RENAMED.items():
        if tried.endswith(".") and key.startswith(meant):
            yield tried + key.removeprefix(meant)


def words_for(choice: str) -> list[str]:
    """Return other spellings of a choice such as `average=swa`."""
    found = [f"{word}={v}" for word, t in SPELLINGS.items() for v, m in t.items() if choice in m]
    group, _, name = choice.partition("=")
    return [*found, *(f"{tried}={name}" for tried, meant in RENAMED.items() if meant == group)]


def short_text(group: str, name: str, field: str) -> str:
    """Return a key's meaning in few words: the comment of the YAML, else that of the dataclass."""
    return sources.comment(group, name, field) or sources.meaning(group, name, field).rstrip(".")
