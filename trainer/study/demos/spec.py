"""A demonstration as data: arms that are words of a command line, and what is asked of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trainer.core.errors import ConfigError, unknown
from trainer.core.yaml_files import read_yaml

HERE = Path(__file__).resolve().parent
METRICS = {"test_top1": "val_top1", "test_avg_top1": "avg_val_top1"}  # reported: chosen by
ALWAYS = ("threads=1",)  # each run has one thread, and the cores share the runs
KEYS = ("title", "question", "kind", "seeds", "base", "arms", "grid", "claim", "where")


@dataclass(frozen=True)
class DemoArm:
    """One side of a comparison.

    Attributes:
        label: as pictures and tables name it.
        overrides: what it adds to the words that all arms share, tuned values included.
        tune: values that were tried, by key; all combinations.
        metric: what counts: accuracy of the final weights, or of the averaged ones.
    """

    label: str
    overrides: tuple[str, ...]
    tune: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    metric: str = "test_top1"

    def trials(self) -> list[tuple[str, ...]]:
        """Return the words of every combination that is tried when this arm is tuned."""
        keys = list(self.tune)
        return [
            tuple(f"{k}={v}" for k, v in zip(keys, values, strict=True))
            for values in itertools.product(*self.tune.values())
        ]


@dataclass(frozen=True)
class Demo:
    """A demonstration.

    Attributes:
        name: what the command line calls it.
        title: of the picture.
        question: what it asks, for the list of demonstrations.
        kind: how it is run, judged and drawn.
        seeds: runs of each arm.
        base: words that all arms share.
        arms: the first is what the others are compared with.
        claim: label of the arm that the sentence is about, decided before any was run.
        where: the command with which an effect is to be expected where there is none here.
        axes: keys of the grid that the arms were made from, where they were.
    """

    name: str
    title: str
    question: str
    kind: str
    seeds: int
    base: tuple[str, ...]
    arms: tuple[DemoArm, ...]
    claim: str
    where: str
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def overrides(self, arm: DemoArm) -> tuple[str, ...]:
        """Return the whole command line of an arm, without its seed."""
        return merged((*ALWAYS, *self.base, *arm.overrides))

    def with_overrides(self, overrides: Sequence[str]) -> Demo:
        """Return the same with words added to every arm, where they win."""
        arms = tuple(
            replace(arm, overrides=merged((*arm.overrides, *overrides))) for arm in self.arms
        )
        return replace(self, arms=arms)


def merged(overrides: Iterable[str]) -> tuple[str, ...]:
    """Return words of which the last of each key is left, where the first of it stood."""
    found: dict[str, str] = {}
    for override in overrides:
        found[override.split("=", 1)[0]] = override
    return tuple(found.values())


def names() -> list[str]:
    """Return every demonstration."""
    return sorted(file.stem for file in HERE.glob("*.yaml"))


def load(name: str) -> Demo:
    """Return a demonstration.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in names():
        raise unknown("demo", name, names())
    return demo_of(name, read_yaml(HERE / f"{name}.yaml"))


def demo_of(name: str, tree: Mapping[str, Any]) -> Demo:
    """Return a demonstration from plain data."""
    for key in tree:
        if key not in KEYS:
            raise unknown("key", f"{name}.{key}", KEYS)
    axes = {key: texts(values) for key, values in (tree.get("grid") or {}).items()}
    arms = tuple(arms_on(axes)) if axes else tuple(arms_in(tree["arms"]))
    claim = str(tree.get("claim") or arms[-1].label)
    if claim not in [arm.label for arm in arms]:
        raise unknown("claim", claim, [arm.label for arm in arms])
    return Demo(
        name=name,
        title=tree["title"],
        question=tree["question"],
        kind=tree["kind"],
        seeds=tree["seeds"],
        base=texts(tree["base"]),
        arms=arms,
        claim=claim,
        where=tree["where"],
        axes=axes,
    )


def arms_in(tree: Mapping[str, Any]) -> Iterable[DemoArm]:
    """Yield the arms that are written one by one."""
    for label, values in tree.items():
        tune = {key: texts(tried) for key, tried in (values.get("tune") or {}).items()}
        metric = values.get("metric", "test_top1")
        if metric not in METRICS:
            raise ConfigError(f"{label}.metric must be one of {', '.join(METRICS)}, got {metric}")
        yield DemoArm(str(label), texts(values["overrides"]), tune, metric)


def arms_on(axes: Mapping[str, tuple[str, ...]]) -> Iterable[DemoArm]:
    """Yield an arm for each combination of values, the last key varying fastest."""
    for values in itertools.product(*axes.values()):
        overrides = tuple(f"{key}={value}" for key, value in zip(axes, values, strict=True))
        yield DemoArm(" ".join(overrides), overrides)


def texts(values: Iterable[Any]) -> tuple[str, ...]:
    """Return values as words hold them."""
    return tuple(str(value) for value in values)
