"""The list of the text's figures and tables, read from registry.yaml."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.core.errors import ConfigError, unknown
from trainer.core.yaml_files import read_yaml

FILE = Path(__file__).resolve().parent / "registry.yaml"
SCALES = ("smoke", "cpu", "gpu")
KINDS = ("figure", "table")
ALL = "all"


@dataclass(frozen=True)
class Reference:
    """A number of others.

    Attributes:
        what: it is of.
        value: as it was published.
        source: where.
        ours: name of our number beside it, as the method gives it; empty where none compares.
    """

    what: str
    value: str
    source: str
    ours: str = ""


@dataclass(frozen=True)
class Item:
    """A figure or table of the text.

    Attributes:
        name: on the command line.
        section: of the text.
        kind: `figure` or `table`.
        title: of its part of the report.
        claim: what the text says or shows.
        how: the method that makes it.
        base: what the method is told at every scale.
        settings: what it is told besides, by scale.
        differences: from the text, at every scale; by scale those that come on top.
        references: numbers of others.
    """

    name: str
    section: int
    kind: str
    title: str
    claim: str
    how: str
    base: Mapping[str, Any]
    settings: Mapping[str, Mapping[str, Any]]
    differences: Mapping[str, Sequence[str]]
    references: tuple[Reference, ...]

    def at(self, scale: str) -> dict[str, Any]:
        """Return everything that the method is told at a scale; words are put together."""
        values = {**self.base, **self.settings[scale]}
        texts = [part.get("overrides", "") for part in (self.base, self.settings[scale])]
        return {**values, "overrides": tuple(shlex.split(" ".join(texts)))}

    def differs(self, scale: str) -> list[str]:
        """Return in what the item differs from the text's at a scale."""
        return [*self.differences.get(ALL, ()), *self.differences.get(scale, ())]


def items() -> list[Item]:
    """Return all figures and tables, in the order of the text."""
    return [item_of(name, tree) for name, tree in read_yaml(FILE).items()]


def item_of(name: str, tree: Mapping[str, Any]) -> Item:
    """Return an item from plain data.

    Raises:
        ConfigError: if its kind or a scale is not one that exists, or a scale is missing.
    """
    if tree["kind"] not in KINDS:
        raise unknown("kind", tree["kind"], KINDS)
    missing = sorted(set(SCALES) ^ set(tree["scales"]))
    if missing:
        raise ConfigError(f"{name}.scales must have {', '.join(SCALES)}; not so: {missing}")
    return Item(
        name=name,
        section=tree["section"],
        kind=tree["kind"],
        title=tree["title"],
        claim=tree["claim"],
        how=tree["how"],
        base=tree.get("settings") or {},
        settings={scale: values or {} for scale, values in tree["scales"].items()},
        differences=tree.get("differences") or {},
        references=tuple(Reference(**one) for one in tree.get("references") or ()),
    )


def chosen(name: str) -> list[Item]:
    """Return what a word of the command line means: an item, `figures`, `tables` or `all`.

    Raises:
        ConfigError: if it means nothing.
    """
    found = [
        item
        for item in items()
        if name in (item.name, f"{item.kind}s", ALL) or item.name.startswith(f"{name}_")
    ]
    if not found:
        known = [*(item.name for item in items()), *(f"{kind}s" for kind in KINDS), ALL]
        raise unknown("figure or table", name, known)
    return found
