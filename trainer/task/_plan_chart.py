"""The curves of a plan: block characters in a terminal, one column per stretch of the run, and a
figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from trainer.record.style import clean_axes
from trainer.task._plan_facts import Facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

BLOCKS = " " + "".join(chr(0x2580 + i) for i in range(1, 9))  # from empty to full, in eighths

PLAIN = " .,:;+=#@"  # for terminals that have no block characters

LINE = ("\u2501", "-")


def columns(values: Sequence[float], width: int) -> list[float]:
    """Return the mean of the values under each of `width` columns, every value counted."""
    count = len(values)
    bounds = [(i * count // width, max(-(-(i + 1) * count // width), 1)) for i in range(width)]
    return [sum(values[low:high]) / (high - low) for low, high in bounds]


def area(heights: Sequence[float], top: float, rows: int, blocks: str = BLOCKS) -> list[str]:
    """Return `rows` lines, the highest first and up to `top`, that fill each column to its height
    with a block for each eighth; anything above 0 shows."""
    eighths = [
        max(round(8 * rows * height / top), 1) if height > 0.0 and top > 0.0 else 0
        for height in heights
    ]
    return [
        "".join(blocks[min(max(filled - 8 * row, 0), 8)] for filled in eighths)
        for row in reversed(range(rows))
    ]


def axis(last: float, width: int) -> str:
    """Return a line of round numbers from 0 to `last` (at least 1), each at its place under `width`
    columns."""
    line = [" "] * (width + len(f"{last:.0f}") + 1)
    free = 0
    for tick in range(0, int(last) + 1, tick_step(last)):
        label, place = str(tick), round(tick * width / last)
        if place >= free:
            line[place : place + len(label)] = label
            free = place + len(label) + 2
    return "".join(line).rstrip()


def tick_step(last: float, most: int = 8) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, ... that makes at most `most` steps up to `last`."""
    scale = 1
    while True:
        for factor in (1, 2, 5):
            if last / (factor * scale) <= most:
                return factor * scale
        scale *= 10


def shaded(line: str, split: int, before: str, after: str) -> Text:
    """Return a line in two colours, the second from column `split` on."""
    return Text(line[:split], style=before).append(line[split:], style=after)


def draw_schedule(figure: Figure | SubFigure, facts: Facts, title: str) -> None:
    """Draw the learning rate over the run, and the momentum where it moves."""
    curve = facts.curve
    momentum = curve.momentum if curve.momentum and len(set(curve.momentum)) > 1 else None
    rows = 2 if momentum else 1
    panels = figure.subplots(rows, sharex=True, squeeze=False)[:, 0]
    draw_panel(panels[0], facts, curve.lr, "learning rate")
    if momentum:
        draw_panel(panels[1], facts, momentum, "momentum")
    panels[0].set_title(title, loc="left", fontsize=9)
    panels[-1].set_xlabel("epoch")


def draw_panel(axes: Axes, facts: Facts, values: tuple[float, ...], name: str) -> None:
    """Draw one curve over epochs, with the warm-up and the averaged stretch behind it."""
    per_epoch = facts.steps_per_epoch
    epochs = [step / per_epoch for step in facts.curve.steps]
    axes.plot(epochs, values, color="tab:cyan", linewidth=1.8)
    if name == "learning rate":
        axes.fill_between(epochs, values, color="tab:cyan", alpha=0.15, linewidth=0)
        axes.set_ylim(bottom=0)
    if facts.warmup:
        axes.axvspan(0, facts.warmup / per_epoch, color="gold", alpha=0.2, label="warm-up", lw=0)
    if facts.first_snapshot is not None and facts.last_snapshot is not None:
        span = ((facts.first_snapshot - 1) / per_epoch, facts.last_snapshot / per_epoch)
        axes.axvspan(*span, color="tab:green", alpha=0.12, label="averaged", lw=0)
    axes.set_xlim(0, facts.total / per_epoch)
    axes.set_ylabel(name)
    clean_axes(axes)
    if axes.get_legend_handles_labels()[1] and name == "learning rate":
        axes.legend(frameon=False, fontsize=8)
