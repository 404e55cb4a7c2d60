"""A comparison as data: a preset of a sweep, which holds the arms and what is tried for each, and
what is asked of it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from trainer.composition.search_path import Sources
from trainer.core.errors import ConfigError, unknown
from trainer.core.yaml_files import read_yaml
from trainer.study.demos.spec import merged
from trainer.sweep.expand import Search, expand

FILE = Path(__file__).resolve().parent / "comparisons.yaml"
KEYS = ("title", "question", "claim", "n", "against")
SEED = "seed"


@dataclass(frozen=True)
class Range:
    """From where to where a key was drawn.

    Attributes:
        low: the least; `high` the greatest.
        is_log: drawn evenly on the logarithm.
    """

    low: float
    high: float
    is_log: bool


@dataclass(frozen=True)
class ComparisonJob:
    """One run of a comparison.

    Attributes:
        arm: label.
        values: words that were tried for the arm.
        seed: of the run.
        overrides: the whole command line.
    """

    arm: str
    values: tuple[str, ...]
    seed: int
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class ComparisonPlan:
    """A comparison.

    Attributes:
        name: of the comparison and of its preset.
        title: of page and picture.
        question: what it asks.
        claim: label of the arm that the hypothesis is about, decided before any run.
        n: seeds of each arm in the end.
        against: arms that are compared with another than the first, each with the other's label.
        search: the arms, and how often each is drawn; the first arm is the baseline.
        stated_n: that were stated before any run.
        line: words added to every run, where they win.
    """

    name: str
    title: str
    question: str
    claim: str
    n: int
    search: Search
    against: Mapping[str, str] = field(default_factory=dict)
    stated_n: int = 0
    line: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """The arms' labels, the baseline's first."""
        return list(self.search.arms)

    def baseline_of(self, label: str) -> str:
        """Return the arm that one is compared with."""
        return self.against.get(label, self.labels[0])

    def searched(self, label: str) -> dict[str, str]:
        """Return what is tried for an arm, by key, as it is written in the preset."""
        named = {override.split("=", 1)[0] for override in self.line}
        own = {**self.search.params, **self.search.arms[label]}
        return {
            key: value
            for key, value in own.items()
            if key not in (SEED, *named) and is_several(key, value)
        }

    def fixed(self, label: str) -> tuple[str, ...]:
        """Return the words that make an arm, without what is tried for it."""
        own = {**self.search.params, **self.search.arms[label]}
        overrides = [f"{k}={v}" for k, v in own.items() if k != SEED and not is_several(k, v)]
        return merged((*overrides, *self.line))

    def overrides(self, label: str, values: Sequence[str], seed: int) -> tuple[str, ...]:
        """Return the whole command line of a run."""
        return (f"+sweep={self.name}", *merged((*self.fixed(label), *values)), f"{SEED}={seed}")

    def trials(self) -> list[ComparisonJob]:
        """Return the runs among which values are chosen, those of the preset by itself."""
        jobs = []
        for found in expand(self.line, self.search):
            keys = self.searched(found.arm)
            pairs = dict(override.split("=", 1) for override in found.overrides)
            values = tuple(f"{key}={pairs[key]}" for key in keys)
            seed = int(pairs.get(SEED, "0"))
            jobs.append(
                ComparisonJob(found.arm, values, seed, self.overrides(found.arm, values, seed))
            )
        return jobs

    def ranges(self, label: str) -> dict[str, Range]:
        """Return from where to where an arm's keys are drawn."""
        found = {}
        for key, value in self.searched(label).items():
            override = parsed(key, value)
            if override.is_interval_sweep():
                one = override.value()
                found[key] = Range(float(one.start), float(one.end), "log" in one.tags)
        return found


@functools.cache  # asked for a few values, of every draw
def parsed(key: str, value: str) -> Any:
    """Return a value of a preset as Hydra reads it."""
    try:
        return OverridesParser.create().parse_override(f"{key}={value}")
    except HydraException as error:
        raise ConfigError(f"cannot read the value of {key}: {value}") from error


def is_several(key: str, value: str) -> bool:
    """Return whether a value of a preset is a list of values or an interval."""
    return bool(parsed(key, value).is_sweep_override())


def names() -> list[str]:
    """Return every comparison."""
    return list(read_yaml(FILE))


def load(name: str) -> ComparisonPlan:
    """Return a comparison.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in names():
        raise unknown("comparison", name, names())
    preset = Sources().file(f"sweep/{name}")
    assert preset is not None, name
    return plan_of(name, read_yaml(FILE)[name], read_yaml(preset)["hydra"]["sweeper"])


def plan_of(name: str, entry: Mapping[str, Any], sweeper: Mapping[str, Any]) -> ComparisonPlan:
    """Return a comparison from plain data.

    Args:
        name: of the preset.
        entry: an entry of comparisons.yaml.
        sweeper: the preset's `hydra.sweeper`.
    """
    for key in entry:
        if key not in KEYS:
            raise unknown("key", f"{name}.{key}", KEYS)
    arms = {str(label): texts(values) for label, values in sweeper["arms"].items()}
    against = texts(entry.get("against") or {})
    for label in (entry["claim"], *against, *against.values()):
        if label not in arms:
            raise unknown("arm", str(label), arms)
    search = Search(
        params=texts(sweeper.get("params") or {}),
        arms=arms,
        trials=sweeper.get("trials"),
        seed=sweeper.get("seed", 0),
    )
    title, question, claim, n = (entry[key] for key in ("title", "question", "claim", "n"))
    return ComparisonPlan(name, title, question, claim, n, search, against, stated_n=n)


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return values as words hold them."""
    return {key: str(value) for key, value in values.items()}


def changed(
    plan: ComparisonPlan, *, line: Sequence[str], n: int | None, trials: int | None
) -> ComparisonPlan:
    """Return a comparison with words added to every run, and with other numbers of runs.

    Raises:
        ConfigError: if there would be fewer than two seeds, or a word names the preset or a seed.
    """
    if n is not None and n < 2:
        raise ConfigError(f"--n must be 2 or more, or there is no interval; got {n}")
    for override in line:
        key = override.split("=", 1)[0].lstrip("+")
        if key in (SEED, "sweep", "report_test"):
            raise ConfigError(f"{override}: {key} is the comparison's own")
    search = plan.search if trials is None else replace(plan.search, trials=trials)
    return replace(plan, search=search, n=plan.n if n is None else n, line=tuple(line))
