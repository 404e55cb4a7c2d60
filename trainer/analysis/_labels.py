"""Runs told apart by as few of their settings as it takes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.core.convert import typed
from trainer.core.yaml_files import is_within
from trainer.record.runs import RunRow

Settings = Mapping[str, Any]
# Keys that move no number of a result beyond its last bits, or are no part of it.
IGNORED = (
    "name",
    "outputs",
    "task",
    "plugins",
    "checkpoint",
    "device",
    "threads",
    "report_test",
    "data.root",
    "data.workers",
    "data.resident_share",
)


def settings_of(run: RunRow) -> dict[str, Any]:
    """Return what distinguishes a run, by dotted key; the chosen augmentations are one of them."""
    kept = {k: v for k, v in run.settings.items() if not is_within(k, IGNORED)}
    names = [k for k in kept if k.startswith("augment.") and k.endswith(".name")]
    if names:
        chosen = ",".join(str(kept.pop(k)) for k in names)
        kept["augment.name"] = f"[{chosen}]" if len(names) > 1 else chosen
    return kept


def labels(trees: Sequence[Settings]) -> list[str]:
    """Return for each of several settings the overrides in which it differs from the others.

    Where another component is chosen, its name stands for the keys that come with it. Keys of a
    component are given only for settings that have the same names.
    """
    return [overrides_text(tree, keys) for tree, keys in zip(trees, label_keys(trees), strict=True)]


def label_keys(trees: Sequence[Settings]) -> list[list[str]]:
    """Return for each of several settings the keys that its label has."""
    varied = varied_keys(trees)
    groups = {k.split(".")[0] for k in varied if k.endswith(".name")}
    first = [k for k in varied if k.endswith(".name") or k.split(".")[0] not in groups]
    found = [first] * len(trees)
    alike: dict[str, list[int]] = defaultdict(list)
    for i, tree in enumerate(trees):
        alike[overrides_text(tree, first)].append(i)
    for members in alike.values():
        rest = varied_keys([trees[i] for i in members])
        for i in members:
            found[i] = [*first, *(k for k in rest if k not in first)]
    return found


def varied_keys(trees: Sequence[Settings]) -> list[str]:
    """Return the keys that are not the same in all settings."""
    keys = dict.fromkeys(k for tree in trees for k in tree)
    return [k for k in keys if len({str(tree.get(k)) for tree in trees}) > 1]


def overrides_text(tree: Settings, keys: Sequence[str]) -> str:
    return " ".join(f"{k.removesuffix('.name')}={typed(tree[k])}" for k in keys if k in tree)
