"""The look that all demonstrations share: a title, the sentence, panels, a line of facts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.analysis.compare import Arm, Difference
from trainer.record.runs import RunRow
from trainer.record.spread import Spread
from trainer.record.style import (
    ACCENT,
    DARK,
    GREY,
    clean_axes,
    draw_spread,
    new_figure,
    write_beside,
)
from trainer.study.demos.spec import METRICS, Demo
from trainer.study.demos.verdict import against_first, numbers, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BASELINE = "#4d4d4d"
OTHERS = ("#3a7ca5", "#e09f3e", "#5b8e7d", "#8e6c8a", "#a3b18a")
WIDTH, HEADER = 10.0, 0.62  # inches: of the picture, of one line of title
LINE, TITLE = 0.19, 0.26  # inches: of a further line of the sentence, of the title


@dataclass(frozen=True)
class Shown:
    """What a demonstration gave.

    Attributes:
        sentence: what can be said of it.
        figure: the picture, the sentence in it.
        table: the numbers, in Markdown.
    """

    sentence: str
    figure: Figure
    table: str


def framed(title: str, sentence: str, facts: str, height: float = 3.9) -> Figure:
    """Return a figure with everything but its panels.

    Args:
        title: what is compared.
        sentence: what came of it.
        facts: command, data, seeds; in small print.
        height: of the panels, in inches.
    """
    lines = textwrap.wrap(sentence, 132, break_long_words=False, break_on_hyphens=False)
    titles = textwrap.wrap(title, 80)
    below = TITLE * (len(titles) - 1)  # inches that the sentence is lower
    head, foot = HEADER + below + LINE * len(lines), 0.32
    total = head + height + foot
    figure = new_figure(WIDTH, total, dpi=110)
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0.008, foot / total, 0.984, height / total), w_pad=0.06, wspace=0.04)  # type: ignore[call-arg]
    for i, line in enumerate(titles):
        y = 1.0 - (0.30 + TITLE * i) / total
        figure.text(0.015, y, line, fontsize=14, fontweight="bold", color=DARK, va="center")
    for i, line in enumerate(lines):
        y = 1.0 - (0.62 + below + LINE * i) / total
        figure.text(0.015, y, line, fontsize=9.5, color=DARK, va="center")
    figure.text(0.015, 0.13 / total, facts, fontsize=7.5, color=GREY, va="center")
    return figure


def colors(demo: Demo) -> list[str]:
    """Return a colour for each arm: the first dark, the claimed one red."""
    rest = iter(OTHERS * (1 + len(demo.arms) // len(OTHERS)))
    return [
        ACCENT if arm.label == demo.claim else BASELINE if not i else next(rest)
        for i, arm in enumerate(demo.arms)
    ]


def heading(axes: Axes, text: str) -> None:
    """Name what a panel shows, above it."""
    axes.set_title(text, fontsize=9, loc="left", color=DARK)


def draw_curves(axes: Axes, demo: Demo, arms: Sequence[Arm]) -> None:
    """Draw each arm's validation accuracy over epochs: mean over seeds and its 95 % interval."""
    for arm, part, color in zip(arms, demo.arms, colors(demo), strict=True):
        epochs, means, halves = curve(arm.completed, METRICS[part.metric])
        axes.plot(epochs, means, color=color, linewidth=1.7, label=part.label)
        low = [m - h for m, h in zip(means, halves, strict=True)]
        high = [m + h for m, h in zip(means, halves, strict=True)]
        axes.fill_between(epochs, low, high, color=color, alpha=0.15, linewidth=0)
    finals = [m[-1] for m in (curve(a.completed, "val_top1")[1] for a in arms) if m]
    if finals and max(finals) > 60.0:
        axes.set_ylim(bottom=max(axes.get_ylim()[0], 2.2 * min(finals) - 1.2 * max(finals) - 15.0))
    axes.set_xlabel("epoch", fontsize=8)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    clean_axes(axes)
    heading(axes, "validation accuracy while training (%)")


def curve(runs: Sequence[RunRow], metric: str) -> tuple[list[float], list[float], list[float]]:
    """Return epochs, mean in percent and half the length of its interval, over the runs that have
    the metric."""
    rows = [{r.epoch: getattr(r, metric) for r in run.epochs} for run in runs]
    epochs = sorted({e for row in rows for e in row if row[e] is not None})
    spreads = [
        Spread.of([100.0 * row[e] for row in rows if row.get(e) is not None]) for e in epochs
    ]
    return epochs, [s.mean or 0.0 for s in spreads], [s.half_width or 0.0 for s in spreads]


def draw_finals(axes: Axes, demo: Demo, arms: Sequence[Arm]) -> None:
    """Draw an arm on each line: seeds as dots, the mean with its 95 % interval, in words the
    difference of the first arm and this one."""
    differences = against_first(demo, arms)
    for place, (arm, color) in enumerate(zip(arms, colors(demo), strict=True)):
        values = [100.0 * v for v in numbers(demo, arms, place)]
        draw_spread(axes, place, values, color)
        lost = len(arm.runs) - len(arm.completed)
        text = difference_text(differences[place]) + (f"\n{lost} lost" if lost else "")
        weight = "bold" if demo.arms[place].label == demo.claim else "normal"
        write_beside(axes, text, place, color, fontweight=weight)
    axes.set_yticks(range(len(arms)), [part.label for part in demo.arms])
    axes.set_ylim(len(arms) - 0.5, -0.5)
    clean_axes(axes, "x")
    for label, color in zip(axes.get_yticklabels(), colors(demo), strict=True):
        label.set_color(color)
        label.set_fontsize(9)
    heading(axes, "test accuracy at the end (%): seeds, mean, 95 % interval")


def difference_text(difference: Difference | None) -> str:
    """Return a difference as the margin of a picture says it."""
    if difference is None:
        return ""
    if difference.low is None or difference.high is None:
        return points(difference.mean, "+")
    low, high = points(difference.low, "+"), points(difference.high, "+")
    return f"{points(difference.mean, '+')}\n{low} to {high}"
