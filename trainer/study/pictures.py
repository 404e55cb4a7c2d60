"""The pictures of studies: a title, the sentence, panels, a line of facts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.analysis.compare import Comparison, draw_curves, draw_finals
from trainer.record.style import DARK, GREY, clean_axes, colors, new_figure
from trainer.study.runs import CHOSEN_BY, REPORTED, StudyRuns
from trainer.study.study import LR, Study
from trainer.study.verdict import difference_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEADER = 10.0, 0.62  # inches: of the picture, of one line of title
LINE, TITLE = 0.19, 0.26  # inches: of a further line of the sentence, of the title


def framed(study: Study, sentence: str, height: float = 3.9) -> Figure:
    """Return a figure with everything but its panels.

    Args:
        study: whose title and facts are written.
        sentence: what came of it.
        height: of the panels, in inches.
    """
    lines = textwrap.wrap(sentence, 132, break_long_words=False, break_on_hyphens=False)
    titles = textwrap.wrap(study.title, 80)
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
    facts = f"{study.name}, scale {study.scale}   |   {study.seeds} seeds of each arm"
    figure.text(0.015, 0.13 / total, facts, fontsize=7.5, color=GREY, va="center")
    return figure


def heading(axes: Axes, text: str) -> None:
    """Name what a panel shows, above it."""
    axes.set_title(text, fontsize=9, loc="left", color=DARK)


def arms_figure(runs: StudyRuns, comparison: Comparison, sentence: str) -> Figure:
    """Return the arms' final accuracies beside what was tried, or beside their curves where values
    were chosen before."""
    height = max(3.2, 1.0 + 0.55 * len(runs.tuned))
    figure = framed(runs.study, sentence, height)
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
    if runs.trials:
        draw_trials(left, runs)
    else:
        draw_curves(left, runs.tuned, CHOSEN_BY)
        left.set_ylabel("")
        heading(left, "validation accuracy while training (%)")
    draw_accuracies(right, runs, comparison)
    return figure


def draw_accuracies(axes: Axes, runs: StudyRuns, comparison: Comparison) -> None:
    """Draw each arm's seeds, mean and interval, in words the difference; a ring is the mean with
    the defaults."""
    beside = [difference_text(row.difference, "\n", "") for row in comparison.rows]
    draw_finals(axes, runs.tuned, REPORTED, beside)
    for place, (arm, color) in enumerate(zip(runs.untuned, colors(len(runs.untuned)), strict=True)):
        mean = arm.spread(REPORTED).mean
        if mean is not None:
            axes.plot(100.0 * mean, place + 0.3, "o", mec=color, mfc="none", ms=6)
    axes.set_xlabel("")
    ring = "; ring: untuned" if runs.untuned else ""
    heading(axes, f"test accuracy at the end (%): seeds, mean, 95 % interval{ring}")


def draw_trials(axes: Axes, runs: StudyRuns) -> None:
    """Draw the validation accuracy of all that was tried over the learning rate, the chosen with a
    rim; a cross at the foot where no run completed."""
    labels = runs.study.labels
    for label, color in zip(labels, colors(len(labels)), strict=True):
        for trial in (t for t in runs.trials if t.arm == label):
            overrides = dict(override.split("=", 1) for override in trial.overrides)
            if LR not in overrides:
                continue
            lr = float(overrides[LR])
            if trial.spread.mean is None:
                axes.plot(lr, 0.0, "x", color=color, ms=6, clip_on=False)
            else:
                rim = {"mec": "black", "mew": 1.2, "ms": 7} if trial.is_chosen else {"mew": 0}
                axes.plot(lr, 100.0 * trial.spread.mean, "o", color=color, alpha=0.7, **rim)
    axes.set_xscale("log")
    axes.set_xlabel(LR, fontsize=8)
    clean_axes(axes)
    heading(axes, "validation accuracy of all that was tried (%); rim: chosen")


def texts_over(texts: Sequence[str]) -> str:
    """Return a figure's title from what is said, in lines."""
    return "\n".join(textwrap.fill(text, 120, break_on_hyphens=False) for text in texts)
