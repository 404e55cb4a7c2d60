"""What each of several tricks contributes: a staircase, in which each step adds one to those before
it, and the whole with each of them left out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainer.analysis._arms import Arm, higher_is_better, is_share, scale_of
from trainer.analysis._pictures import lost_text, title_of, within_shares
from trainer.analysis._tables import value_text
from trainer.analysis.compare import Comparison, ComparisonRow, compare, named, numbers_of
from trainer.analysis.compare import to_markdown as rows_to_markdown
from trainer.core.errors import ConfigError, unknown
from trainer.record.spread import CONFIDENCE
from trainer.record.style import BETTER, DARK, GREY, WORSE, clean_axes, new_figure, write_beside
from trainer.record.tables import csv_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = ("Each step added to those before it", "Each left out of the whole")


@dataclass(frozen=True)
class Attribution:
    """What tricks contribute, in one or both of two ways: a staircase, each row compared with the
    one before it; the whole, and it without one each, compared with the whole."""

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


def attribution_figure(parts: Sequence[tuple[str, Comparison]]) -> Figure:
    """Return a panel for each comparison: bars from the mean that an arm is compared with to its
    own, grey where the difference's p, adjusted for all of them (Holm), is not below 0.05."""
    rows = max(len(part.rows) for _, part in parts)
    figure = new_figure(6.6 * len(parts), 1.5 + 0.42 * rows)
    for axes, (title, part) in zip(
        figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True
    ):
        scale = scale_of(part.metric)
        means = {row.arm.label: row.spread.mean for row in part.rows}
        for place, row in enumerate(part.rows):
            start = means[part.against.get(row.arm.label, part.baseline.label)]
            if row.spread.mean is not None:
                draw_row(axes, place, row, scale=scale, start=start, metric=part.metric)
            text = difference_text(row, part.metric)
            write_beside(axes, text, place, color_of(row, part.metric), fontsize=7.5)
        axes.set_yticks(range(len(part.rows)), [row.arm.label for row in part.rows], fontsize=8)
        axes.set_ylim(len(part.rows) - 0.5, -0.5)
        what = "seeds, mean; difference, 95 % interval; grey: p (Holm) >= 0.05"
        axes.set_xlabel(f"{title_of(part.metric)}: {what}", fontsize=8)
        clean_axes(axes)
        if is_share(part.metric):
            within_shares(axes, "x")
        axes.set_title(title, fontsize=9.5, loc="left")
    return figure


def draw_row(
    axes: Axes, place: int, row: ComparisonRow, *, scale: float, start: float | None, metric: str
) -> None:
    """Draw an arm's seeds, its mean, and the bar from the mean that it is compared with."""
    mean = scale * (row.spread.mean or 0.0)
    if row.difference is not None and start is not None:
        color = color_of(row, metric)
        axes.barh(
            place, mean - scale * start, left=scale * start, height=0.62, color=color, alpha=0.45
        )
        axes.plot([scale * start] * 2, [place - 1.0 + 0.31, place + 0.31], color="0.5", lw=0.8)
    numbers = [scale * value for value in row.arm.values(metric).values()]
    axes.plot(numbers, [place] * len(numbers), "o", color=DARK, alpha=0.4, ms=3.5, mew=0)
    axes.plot(mean, place, "|", color=DARK, ms=15, mew=2.2)


def color_of(row: ComparisonRow, metric: str) -> str:
    """Return a colour: whether the difference is surely better, surely worse, or neither; the
    others that were looked at are taken into account."""
    found = row.difference
    if found is None:
        return DARK
    if found.p_holm is None or found.p_holm >= 1.0 - CONFIDENCE:
        return GREY
    return BETTER if (found.mean > 0.0) == higher_is_better(metric) else WORSE


def difference_text(row: ComparisonRow, metric: str) -> str:
    """Return a difference with its interval, and the runs that have no number."""
    found, parts = row.difference, []
    if found is not None:
        parts.append(value_text(found.mean, metric, "+"))
        if found.low is not None and found.high is not None:
            low, high = (value_text(end, metric, "+") for end in (found.low, found.high))
            parts.append(f"({low} to {high})")
    return " ".join([*parts, lost_text(row.arm)]).strip()
