"""A demonstration's picture: how the trick works beside what it is worth, for the back row."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.analysis.compare import Comparison, draw_curves
from trainer.record.spread import Spread
from trainer.record.style import (
    DARK,
    GREY,
    clean_axes,
    colors,
    end_labels,
    new_figure,
    parts,
    write_at,
)
from trainer.study.mechanisms import load
from trainer.study.runs import CHOSEN_BY, REPORTED, StudyRuns
from trainer.study.study import LR, Study
from trainer.study.verdict import NONE, SHOWN, WITHIN, difference_text, points, verdict_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

SIZE = (12.0, 6.4)  # inches
HEADS = ("How it works", "What it is worth")
SIZES, LEAST = ((22, 56), (18, 68)), 15  # points of a title of at most so many letters; else
FRAMES, PER_SECOND, REST = 24, 8, 12  # of an animation; the last picture stays for REST frames

Panel = Callable[["SubFigure"], None]


@dataclass(frozen=True)
class Half:
    """The right half of a picture.

    Attributes:
        headline: the finding, in a few words.
        draw: draws it.
        left: heading and drawing of the other half, where no mechanism is drawn.
    """

    headline: str
    draw: Panel
    left: tuple[str, Panel] | None = None


def halves_figure(study: Study, seen: Any, worth: Half) -> Figure:
    """Return the picture of a mechanism, where a study has one, and of what it is worth."""
    figure = new_figure(*SIZE, dpi=100)
    top, body, foot = parts(figure, 3, height_ratios=(0.62, 5.5, 0.28))
    title(top, worth.headline)
    drawn = [(HEADS[1], worth.draw)]
    if study.mechanism:
        drawn.insert(0, (HEADS[0], lambda panel: load(study.mechanism).draw(panel, seen)))
    elif worth.left is not None:
        drawn.insert(0, worth.left)
    for panel, (head, draw) in zip(parts(body, 1, len(drawn)), drawn, strict=True):
        panel.suptitle(head, fontsize=15, color=GREY, x=0.03, ha="left")
        draw(panel)
    seeds = f"{study.seeds} seeds of each arm: dots; mean and 95 % interval: diamonds"
    name = f"{study.name}, scale {study.scale}"
    foot.text(0.015, 0.5, f"{name}   |   {seeds}", fontsize=10, color=GREY, va="center")
    return figure


def title(panel: Any, text: str) -> None:
    """Write a finding above a picture."""
    words = f"{text[0].upper()}{text[1:]}" if text.split()[0].isalpha() else text  # not bf16
    size = next((size for size, most in SIZES if len(words) <= most), LEAST)
    words = textwrap.fill(words, 84)
    panel.text(0.015, 0.42, words, fontsize=size, fontweight="bold", color=DARK, va="center")


def write_gif(study: Study, seen: Any, file: Path) -> None:
    """Write a mechanism as it evolves."""
    from matplotlib.animation import PillowWriter

    figure, mechanism = new_figure(7.2, 6.0, dpi=80), load(study.mechanism)
    writer = PillowWriter(fps=PER_SECOND)
    with writer.saving(figure, str(file), dpi=80):
        for frame in range(1, FRAMES + REST + 1):
            figure.clear()
            top, body = parts(figure, 2, height_ratios=(0.5, 5.5))
            top.text(
                0.02, 0.4, study.title, fontsize=15, fontweight="bold", color=DARK, va="center"
            )
            mechanism.draw(body, seen, min(1.0, frame / FRAMES))
            writer.grab_frame()


def headline_of(study: Study, comparison: Comparison) -> str:
    """Return in a few words what came of the claim."""
    rows = {row.arm.label: row for row in comparison.rows}
    found, other = rows[study.claim].difference, study.baseline_of(study.claim)
    kind = verdict_of(found, study.margin)
    if found is None or kind == NONE:
        return f"{study.claim} and {other}: too few runs"
    if kind == SHOWN:
        verb = "gains" if found.mean > 0 else "loses"
        return f"{study.claim} {verb} {points(abs(found.mean))} points against {other}"
    if kind == WITHIN:
        return f"{study.claim} is within {100 * study.margin:g} points of {other}"
    return f"{study.claim} and {other}: not told apart"


def arms_half(runs: StudyRuns, comparison: Comparison) -> Half:
    """Return what arms are worth: seeds, mean and interval of each, its difference in words; beside
    it what was tried, or validation curves where values were chosen before."""
    arms, texts = runs.tuned, [difference_text(row.difference) for row in comparison.rows]

    def draw(panel: SubFigure) -> None:
        axes = panel.subplots()
        numbers = [[100.0 * v for v in arm.values(REPORTED).values()] for arm in arms]
        draw_arms(axes, [arm.label for arm in arms], numbers, texts)
        axes.set_xlabel("test accuracy (%)", fontsize=14, color=DARK)

    def curves(panel: SubFigure) -> None:
        axes = panel.subplots()
        draw_curves(axes, arms, CHOSEN_BY)
        axes.set_ylabel("")
        clean_axes(axes, size=12)

    left: tuple[str, Panel] = ("Validation accuracy over epochs (%)", curves)
    if runs.trials:
        left = ("Validation accuracy of all tried (%); rim: chosen", partial(draw_trials, runs))
    return Half(headline_of(runs.study, comparison), draw, left)


def draw_trials(runs: StudyRuns, panel: SubFigure) -> None:
    """Draw the validation accuracy of all that was tried over the learning rate, the chosen with a
    rim; a cross at the foot where no run completed."""
    axes, labels = panel.subplots(), runs.study.labels
    for label, color in zip(labels, colors(len(labels)), strict=True):
        for trial in (t for t in runs.trials if t.arm == label):
            overrides = dict(override.split("=", 1) for override in trial.overrides)
            if LR not in overrides:
                continue
            lr = float(overrides[LR])
            if trial.spread.mean is None:
                axes.plot(lr, 0.0, "x", color=color, ms=9, clip_on=False)
            else:
                rim = (
                    {"mec": "black", "mew": 2, "ms": 11} if trial.is_chosen else {"mew": 0, "ms": 8}
                )
                axes.plot(lr, 100.0 * trial.spread.mean, "o", color=color, alpha=0.7, **rim)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate", fontsize=14, color=DARK)
    clean_axes(axes, size=12)


def draw_arms(
    axes: Axes, labels: Sequence[str], numbers: Sequence[Sequence[float]], texts: Sequence[str]
) -> None:
    """Draw arms from top to bottom: a dot for each seed, mean and interval, and a text beside."""
    hues = colors(len(labels))
    for place, (values, text, color) in enumerate(zip(numbers, texts, hues, strict=True)):
        spread = Spread.of(list(values))
        axes.plot(values, [place - 0.14] * len(values), "o", color=color, alpha=0.4, ms=8, mew=0)
        if spread.mean is None:
            continue
        bar: dict[str, Any] = {"fmt": "D", "ms": 10, "capsize": 6, "lw": 3, "color": color}
        axes.errorbar(spread.mean, place + 0.12, xerr=spread.half_width, **bar)
        style: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 13, "color": color}
        said = f"{spread.mean:.1f}" + (f":  {text}" if text else "")
        axes.text(spread.mean, place + 0.24, said, fontweight="bold", **style)
    names = [textwrap.fill(label, 12) for label in labels]
    axes.set_yticks(range(len(labels)), names, fontsize=15)
    axes.set_ylim(len(labels) - 0.45, -0.45)
    clean_axes(axes, "x", size=12)
    for label, color in zip(axes.get_yticklabels(), hues, strict=True):
        label.set(color=color, fontsize=15, fontweight="bold")
    low, high = axes.get_xlim()
    wide = 0.12 * (high - low)
    axes.set_xlim(max(low - wide, -1.0), min(high + wide, 101.0))


def draw_over_rates(
    axes: Axes, lines: Sequence[tuple[str, dict[float, list[float]]]], best: Sequence[float | None]
) -> None:
    """Draw accuracies over the learning rate, a line for each arm through its means, with seeds
    and intervals; a ring is at the best, a cross where no run completed."""
    hues, ends, lost = colors(len(lines)), [], []
    for (label, values), star, color in zip(lines, best, hues, strict=True):
        rates = sorted(rate for rate, numbers in values.items() if numbers)
        lost += [(rate, color) for rate in values if rate not in rates]
        spreads = [Spread.of([100.0 * v for v in values[rate]]) for rate in rates]
        means = [spread.mean or 0.0 for spread in spreads]
        axes.plot(rates, means, color=color, lw=3)
        for rate, spread in zip(rates, spreads, strict=True):
            seeds = [100.0 * v for v in values[rate]]
            axes.plot([rate] * len(seeds), seeds, "o", color=color, alpha=0.35, ms=6, mew=0)
            bar: dict[str, Any] = {"fmt": "D", "ms": 8, "capsize": 5, "lw": 2.5, "color": color}
            axes.errorbar(rate, spread.mean or 0.0, yerr=spread.half_width, **bar)
            if rate == star:
                axes.plot(rate, spread.mean or 0.0, "o", mec=color, mfc="none", ms=22, mew=2.5)
        if label:
            ends.append((rates[-1], means[-1], label, color))
    axes.set_xscale("log")
    axes.set_ylim(max(0.0, axes.get_ylim()[0]), min(102.0, axes.get_ylim()[1]))
    for place, (rate, color) in enumerate(lost):
        axes.plot(rate, axes.get_ylim()[0], "x", color=color, ms=14, mew=3, clip_on=False)
        if place == len(lost) - 1:
            write_at(axes, "diverges", rate, 0.04, fontsize=13, color=color, ha="right")
    clean_axes(axes, size=12)
    axes.set_xlabel("learning rate", fontsize=14, color=DARK)
    axes.set_title("test accuracy (%)", fontsize=14, loc="left", color=DARK)
    end_labels(axes, ends)
