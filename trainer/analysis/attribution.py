"""What each of several tricks contributes: a staircase, in which each step adds one to those before
it, and the whole with each of them left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from trainer.analysis._arms import Arm
from trainer.analysis._attribution_picture import attribution_figure
from trainer.analysis._comparison import Comparison, compare, named
from trainer.analysis._tables import numbers_of
from trainer.analysis._tables import to_markdown as rows_to_markdown
from trainer.core.errors import ConfigError, unknown
from trainer.record.tables import csv_text

__all__ = [
    "Attribution",
    "attribution_figure",
    "attribution_of",
    "leave_one_out",
    "staircase",
    "to_csv",
    "to_markdown",
]

TITLES = ("Each step added to those before it", "Each left out of the whole")


@dataclass(frozen=True)
class Attribution:
    """What tricks contribute, in one or both of two ways.

    Attributes:
        steps: the staircase; each row's difference is from the row before it.
        without: the whole, then the whole without one each; differences are from the whole.
    """

    steps: Comparison | None
    without: Comparison | None

    @property
    def parts(self) -> Iterator[tuple[str, Comparison]]:
        """Yield what there is, with its title."""
        for title, part in zip(TITLES, (self.steps, self.without), strict=True):
            if part is not None:
                yield title, part


def attribution_of(
    arms: Sequence[Arm],
    metric: str = "val_top1",
    *,
    steps: Sequence[str] = (),
    whole: str | None = None,
    without: Sequence[str] = (),
) -> Attribution:
    """Return what named arms say of the tricks by which they differ.

    Args:
        arms: from `arms_of`.
        metric: one of `METRICS`.
        steps: names of a staircase, from the baseline on.
        whole: name of the arm with all tricks; `without` names those that leave one out.

    Raises:
        ConfigError: if a name means no arm or several, if there is nothing to compare.
        TrainerError: if no completed run has the metric.
    """
    if (whole is None) != (not without) or (len(steps) < 2 and whole is None):
        raise ConfigError(
            "an attribution needs two or more steps (--steps), or the whole and what leaves one "
            "out of it (--whole and --without)"
        )
    return Attribution(
        staircase([pick(arms, name) for name in steps], metric) if steps else None,
        leave_one_out([pick(arms, name) for name in (whole, *without)], metric) if whole else None,
    )


def staircase(arms: Sequence[Arm], metric: str) -> Comparison:
    """Compare each arm with the one before it; p is adjusted for all steps (Holm)."""
    check_differ(arms)
    before = {arm.label: last.label for last, arm in itertools.pairwise(arms)}
    return compare(arms, metric, against=before)


def leave_one_out(arms: Sequence[Arm], metric: str) -> Comparison:
    """Compare each arm with the first, the whole; p is adjusted for all of them (Holm)."""
    check_differ(arms)
    return compare(arms, metric)


def check_differ(arms: Sequence[Arm]) -> None:
    """Raise ConfigError where two names mean the same runs."""
    for i, arm in enumerate(arms):
        for other in arms[:i]:
            if arm.runs == other.runs or arm.label == other.label:
                raise ConfigError(f"{other.label} and {arm.label} are the same runs")


def pick(arms: Sequence[Arm], name: str | None) -> Arm:
    """Return the arm of a name, called by it: that of a preset, else that which has the words."""
    assert name is not None
    presets = {preset for arm in arms for preset in presets_of(arm)}
    found = [arm for arm in arms if name in presets_of(arm)]
    if len(found) == 1:
        return replace(found[0], label=name)
    if len(found) > 1:
        labels = "; ".join(arm.label for arm in found)
        raise ConfigError(f"the preset {name} was run with {len(found)} settings: {labels}")
    if "=" not in name:
        raise unknown("name", name, sorted(presets) or [arm.label for arm in arms])
    return replace(named(arms, name), label=name)


def presets_of(arm: Arm) -> set[str]:
    """Return what the preset is called that an arm's runs were made with: its whole name, and the
    last part of it."""
    words = [str(word).lstrip("+") for run in arm.runs for word in run.summary.get("overrides", ())]
    names = {word.partition("=")[2] for word in words if word.startswith("experiment=")}
    return names | {name.rpartition("/")[2] for name in names}


def to_csv(attribution: Attribution) -> str:
    """Return a line for each arm: what it was compared with, then the numbers; accuracies are
    shares."""
    first = next(part for _, part in attribution.parts)
    table: list[list[object]] = [["way", "arm", "against", *numbers_of(first.rows[0])]]
    for way, part in (("steps", attribution.steps), ("without", attribution.without)):
        for row in part.rows if part else ():
            label, numbers = row.arm.label, numbers_of(row).values()
            against = part.against.get(label, part.baseline.label) if part else ""
            first_of = "" if row.difference is None else against
            table.append([way, label, first_of, *numbers])
    return csv_text(table)


def to_markdown(attribution: Attribution) -> str:
    """Return a table for each of both ways; accuracies in percent."""
    return "\n".join(f"## {t}\n\n{rows_to_markdown(part)}" for t, part in attribution.parts)
