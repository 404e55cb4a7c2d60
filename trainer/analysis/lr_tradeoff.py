"""The trade-off of the learning rate: loss curves and final accuracy over decades of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.analysis._arms import Arm, check_completed, common_epochs, scale_of, standing
from trainer.analysis._labels import varied_keys
from trainer.analysis._pictures import count_epochs, lost_text, title_of
from trainer.analysis.slices.grid import LR, number_of
from trainer.core.errors import ConfigError
from trainer.record.spread import Spread
from trainer.record.style import LOST, clean_axes, color_scale, draw_spread, new_figure, write_at
from trainer.record.tables import csv_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

HIGHEST = 10.0  # times the median loss of the first epoch: where the axis of losses ends
LOWEST = 0.7  # times the least loss: where it begins


@dataclass(frozen=True)
class TradeoffPoint:
    """What one learning rate came to; the final numbers of its completed runs are by seed."""

    lr: float
    arm: Arm
    values: dict[int, float]

    @property
    def spread(self) -> Spread:
        return Spread.of(list(self.values.values()))


def tradeoff(arms: Sequence[Arm], metric: str) -> list[TradeoffPoint]:
    """Return a point for each learning rate, ascending.

    Raises:
        ConfigError: if the arms differ in anything else, or not in that, or have none.
        TrainerError: if no completed run has the metric.
    """
    varied = varied_keys([arm.settings for arm in arms])
    if varied != [LR]:
        keys = ", ".join(varied) or "nothing"
        raise ConfigError(f"the runs must differ in {LR} and the seed alone; they differ in {keys}")
    points = [TradeoffPoint(number_of(arm, LR), arm, arm.values(metric)) for arm in arms]
    check_completed(arms, metric)
    return sorted(points, key=lambda point: point.lr)


def to_csv(points: Sequence[TradeoffPoint]) -> str:
    """Return a line for each learning rate; accuracies are shares."""
    heads: list[object] = ["lr", "n", "mean", "sd", "diverged", "failed", "final_train_loss"]
    table = [heads]
    for point in points:
        spread, arm = point.spread, point.arm
        losses = arm.spread("train_loss")
        numbers = [point.lr, spread.n, spread.mean, spread.sd, len(arm.diverged), len(arm.failed)]
        table.append([*numbers, losses.mean])
    return csv_text(table)


def best_of(points: Sequence[TradeoffPoint], metric: str) -> TradeoffPoint | None:
    """Return the point with the best mean among those of which every run completed, if any."""
    whole = [p for p in points if p.values and len(p.values) == len(p.arm.runs)]
    return min(whole, key=lambda point: standing(point.spread.mean, metric), default=None)


def figure_of(
    points: Sequence[TradeoffPoint], metric: str, title: str = "", best: float | None = None
) -> Figure:
    """Return loss curves beside final numbers, a colour for each learning rate; `best` is marked,
    by default that with the best mean."""
    figure = new_figure(11.0, 4.4)
    curves, finals = figure.subplots(1, 2)
    draw_losses(curves, points)
    found = best_of(points, metric)
    draw_finals(finals, points, metric, best or (found.lr if found else None))
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    return figure


def draw_losses(axes: Axes, points: Sequence[TradeoffPoint]) -> None:
    """Draw the training loss over epochs: means of completed runs, and each diverged run as far
    as it came."""
    drawn: list[tuple[Line2D, list[float]]] = []
    for point, color in zip(points, color_scale(len(points)), strict=True):
        runs = point.arm.completed
        epochs = common_epochs(runs, "train_loss")
        rows = [{row.epoch: row.train_loss for row in run.epochs} for run in runs]
        means = [Spread.of([row[epoch] for row in rows]).mean or 0.0 for epoch in epochs]
        name = f"{point.lr:g}"
        lost = lost_text(point.arm)
        label = f"{name}  {lost}" if lost else name
        (mean,) = axes.plot(epochs, means, color=color, linewidth=1.5, label=label)
        drawn.append((mean, means))
        for run in point.arm.diverged:
            if run.epochs:
                x = [row.epoch for row in run.epochs]
                y = [row.train_loss for row in run.epochs]
                (line,) = axes.plot(x, y, color=color, linewidth=0.9, linestyle=":")
                axes.plot(x[-1], y[-1], color=LOST, marker="x", markersize=6)
                drawn.append((line, y))
    axes.set_yscale("log")
    cut_off(axes, drawn)
    count_epochs(axes)
    axes.set_ylabel("training loss")
    clean_axes(axes)
    beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.02), "reverse": True}
    axes.legend(title="learning rate", frameon=False, fontsize=7.5, labelspacing=0.3, **beside)


def cut_off(axes: Axes, drawn: Sequence[tuple[Line2D, Sequence[float]]]) -> None:
    """End the axis of losses above ten times their median at the first epoch, and say so, also of
    the curves that end beyond it: what explodes would leave no room for the rest."""
    losses = [loss for _, curve in drawn for loss in curve]
    firsts = [curve[0] for _, curve in drawn if curve]
    top = HIGHEST * statistics.median(firsts) if firsts else math.inf
    if max(losses, default=0.0) <= top:
        return
    axes.set_ylim(LOWEST * min(losses), top)
    for line, curve in drawn:
        if curve and curve[-1] > top:
            line.set_label(f"{line.get_label()}  ends above")
    axes.annotate(
        f"cut off: up to {max(losses):.0e}",
        (0.99, 0.98),
        xycoords="axes fraction",
        ha="right",
        va="top",
        fontsize=7.5,
    )


def draw_finals(
    axes: Axes, points: Sequence[TradeoffPoint], metric: str, best: float | None
) -> None:
    """Draw final numbers over the learning rate: every seed, the mean with its 95 % interval, and
    below them the runs that have none."""
    scale = scale_of(metric)
    having = [point for point in points if point.values]
    means = [scale * (point.spread.mean or 0.0) for point in having]
    axes.plot([point.lr for point in having], means, color="0.4", linewidth=1.2, zorder=1)
    for point, color in zip(points, color_scale(len(points)), strict=True):
        numbers = [scale * value for value in point.values.values()]
        draw_spread(axes, point.lr, numbers, color, vertical=True)
        lost = lost_text(point.arm)
        if lost:
            text = "x\n" + lost.replace(", ", "\n").replace(" ", "\n")
            write_at(axes, text, point.lr, 0.01, va="bottom", color=LOST)
    if best is not None:
        axes.axvline(best, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
        write_at(axes, f"best mean: {best:g}", best, 1.01, va="bottom", fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(points[0].lr / 1.8, points[-1].lr * 1.8)
    axes.set_xlabel("learning rate (optim.lr)")
    axes.set_ylabel(f"final {title_of(metric)}: seeds, mean, 95 % interval")
    clean_axes(axes)
