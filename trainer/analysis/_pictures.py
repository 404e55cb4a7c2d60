"""Arms as pictures: curves with a band over seeds, and what they ended with, seed by seed."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from trainer.analysis._arms import (
    OVER_EPOCHS,
    Arm,
    check_completed,
    common_epochs,
    is_share,
    scale_of,
    value_at,
)
from trainer.record.runs import RunRow
from trainer.record.spread import Spread
from trainer.record.style import LOST, clean_axes, colors, draw_spread, new_figure, write_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = 0.05  # of the range of the runs, below and above them


def arms_figure(arms: Sequence[Arm], metric: str) -> Figure:
    """Return curves beside final numbers; the latter alone for metrics that have no curve.

    Raises:
        TrainerError: if no completed run has the metric.
    """
    check_completed(arms, metric)
    has_curves = metric in OVER_EPOCHS
    lines = sum(max(2, name.count("\n") + 1) for name in names_of(arms))
    height = max(3.4, 1.2 + 0.22 * lines)
    figure = new_figure(10.0 if has_curves else 6.0, height)
    panels = figure.subplots(1, 2 if has_curves else 1, squeeze=False)[0]
    if has_curves:
        draw_curves(panels[0], arms, metric)
    draw_finals(panels[-1], arms, metric)
    return figure


def draw_curves(axes: Axes, arms: Sequence[Arm], metric: str) -> None:
    """Draw each arm's mean over epochs with the mean's 95 % interval, or with its runs where they
    are two; mark where runs diverged.

    The axis is ruled by the runs: intervals of few runs reach far beyond, and are cut off.
    """
    for arm, color in zip(arms, colors(len(arms)), strict=True):
        draw_mean(axes, arm, metric, color)
    ends = rule_by_runs(axes, arms, metric)
    for arm, color in zip(arms, colors(len(arms)), strict=True):
        for run in arm.diverged:
            x, y = curve_of(run, metric)
            if x:
                axes.plot(x, y, color=color, linewidth=0.8, linestyle=":")
                last = min(max(y[-1], ends[0]), ends[1])  # beyond the axis: at its end
                axes.plot(x[-1], last, color=LOST, marker="x", markersize=6, linestyle="None")
    count_epochs(axes)
    axes.set_ylabel(title_of(metric))
    clean_axes(axes)
    if is_share(metric):
        within_shares(axes, "y")


def draw_mean(axes: Axes, arm: Arm, metric: str, color: str) -> None:
    """Draw the mean of an arm's completed runs over epochs, and its 95 % interval as a band.

    Of two runs both are drawn instead: the interval of two numbers reaches six times their distance
    to either side, and would hide the curves.
    """
    runs = arm.completed
    epochs = common_epochs(runs, metric)
    rows = [dict(zip(*curve_of(run, metric), strict=True)) for run in runs]
    spreads = [Spread.of([row[epoch] for row in rows]) for epoch in epochs]
    means = [s.mean or 0.0 for s in spreads]
    axes.plot(epochs, means, color=color, linewidth=1.8, zorder=2.1)
    if len(runs) == 2:
        for run in runs:
            axes.plot(*curve_of(run, metric), color=color, alpha=0.7, linewidth=0.7, zorder=1.9)
        return
    half = [s.half_width for s in spreads]
    low = [m - h for m, h in zip(means, half, strict=True) if h is not None]
    high = [m + h for m, h in zip(means, half, strict=True) if h is not None]
    if low:
        axes.fill_between(epochs, low, high, color=color, alpha=0.2, linewidth=0)


def curve_of(run: RunRow, metric: str) -> tuple[list[float], list[float]]:
    """Return the epochs at which a run has a metric, and its values there; accuracies in
    percent."""
    scale = scale_of(metric)
    found = [(row.epoch, value_at(row, metric)) for row in run.epochs]
    known = [(epoch, scale * value) for epoch, value in found if value is not None]
    return [epoch for epoch, _ in known], [value for _, value in known]


def rule_by_runs(axes: Axes, arms: Sequence[Arm], metric: str) -> tuple[float, float]:
    """Let the vertical axis hold all completed runs with a margin, and diverged ones as far as
    they go no further than once that range beyond; return the least and the greatest value."""
    of_completed = [y for arm in arms for run in arm.completed for y in curve_of(run, metric)[1]]
    values = [y for y in of_completed if math.isfinite(y)]
    if not values:
        low, high = axes.get_ylim()
        return low, high
    low, high = min(values), max(values)
    span = high - low
    lost = [y for arm in arms for run in arm.diverged for y in curve_of(run, metric)[1]]
    reached = [min(max(y, low - span), high + span) for y in lost if math.isfinite(y)]
    low, high = min([low, *reached]), max([high, *reached])
    margin = MARGIN * (high - low) or MARGIN * abs(high) or MARGIN
    axes.set_ylim(low - margin, high + margin)
    return low, high


def draw_finals(axes: Axes, arms: Sequence[Arm], metric: str, texts: Sequence[str] = ()) -> None:
    """Draw a dot for each seed and the mean with its 95 % interval, an arm on each line; beside it
    a text, if there is one, and in red the number of runs without a number."""
    scale = scale_of(metric)
    for place, (arm, color) in enumerate(zip(arms, colors(len(arms)), strict=True)):
        numbers = [scale * value for value in arm.values(metric).values()]
        draw_spread(axes, place, numbers, color)
        text, lost = texts[place] if texts else "", lost_text(arm)
        write_beside(axes, text, place, color)
        write_beside(axes, lost, place + (0.35 if text else 0.0), LOST)
    axes.set_yticks(range(len(arms)), names_of(arms), fontsize=8)
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlabel(f"final {title_of(metric)}: seeds, mean and its 95 % interval")
    clean_axes(axes)
    for label, color in zip(axes.get_yticklabels(), colors(len(arms)), strict=True):
        label.set_color(color)
    if is_share(metric):
        within_shares(axes, "x")


def count_epochs(axes: Axes) -> None:
    """Let the horizontal axis count epochs: its ticks are whole ones where it reaches one."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(
        MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )


def within_shares(axes: Axes, which: Literal["x", "y"]) -> None:
    """End an axis of accuracies at 0 and 100 %, though an interval may reach beyond; what lies on
    the end is drawn whole."""
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    ends = (max(low, 0.0), min(high, 100.0))
    for line in axes.lines:
        if line.get_marker() in ("o", "D", "x") and line.get_linestyle() == "None":
            line.set_clip_on(False)
    if which == "x":
        axes.set_xlim(*ends)
    else:
        axes.set_ylim(*ends)


def lost_text(arm: Arm) -> str:
    """Return how many runs of an arm have no number, in words; nothing where all have."""
    counts = (("diverged", len(arm.diverged)), ("failed", len(arm.failed)))
    return ", ".join(f"{n} {word}" for word, n in counts if n)


def title_of(metric: str) -> str:
    return f"{metric} (%)" if is_share(metric) else metric


WIDTH, MOST_LINES = 34, 3  # characters, lines

# Overrides that decide how a run is carried out, not what it is.
CARRYING_OUT = (
    *("seed=", "name=", "outputs=", "report_test=", "threads=", "device="),
    *("data.root=", "+sweep="),
)


def names_of(arms: Sequence[Arm]) -> list[str]:
    """Return a name for each arm, in lines.

    That is its label. Where some labels take more than a few lines, the names are the overrides of
    the arms' command lines, as far as they differ and suffice; else the parts of the label that the
    fewest others share, after the arm's number in the order of the table.
    """
    labels = [arm.label for arm in arms]
    if all(fits(label) for label in labels):
        return [filled(label) for label in labels]
    each = [shared_overrides(arm) for arm in arms]
    common = set(each[0]).intersection(*each[1:]) if each else set()
    names = [" ".join(one for one in overrides if one not in common) for overrides in each]
    if all(names) and len(set(names)) == len(names) and all(fits(name) for name in names):
        return [filled(name) for name in names]
    shared = Counter(word for label in labels for word in label.split())
    rare = [sorted(label.split(), key=lambda word: shared[word]) for label in labels]
    return [filled(f"{i}: {' '.join(words)}") for i, words in enumerate(rare, start=1)]


def shared_overrides(arm: Arm) -> tuple[str, ...]:
    """Return the overrides of an arm's runs, if all have the same; a preset by its name."""
    lines = {
        tuple(
            str(override).lstrip("+").removeprefix("experiment=")
            for override in run.summary.get("overrides") or ()
            if not str(override).startswith(CARRYING_OUT)
        )
        for run in arm.runs
    }
    return lines.pop() if len(lines) == 1 else ()


def fits(text: str) -> bool:
    return len(textwrap.wrap(text, WIDTH)) <= MOST_LINES


def filled(text: str) -> str:
    """Return a text in lines, cut off where they would be too many."""
    return textwrap.fill(text, WIDTH, max_lines=MOST_LINES, placeholder=" ...")
