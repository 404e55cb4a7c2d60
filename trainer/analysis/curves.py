"""Curves of runs over epochs, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.analysis._arms import Arm, arm_settings, identity, scale_of
from trainer.analysis._labels import labels
from trainer.analysis._pictures import count_epochs, names_of, title_of
from trainer.core.errors import TrainerError
from trainer.record.runs import RunRow
from trainer.record.style import clean_axes, colors, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEW = 8  # lines of a legend that have room among the curves


def curves(runs: Sequence[RunRow], metric: str) -> Figure:
    """Return a figure of one metric over epochs: a line per run, a colour for those that differ in
    nothing but the seed.

    Raises:
        TrainerError: if no run has that metric.
    """
    scale = scale_of(metric)
    arms = arms_with(runs, metric)
    figure = new_figure(7.0, 4.2)
    axes = figure.add_subplot()
    for arm, name, color in zip(arms, names_of(arms), colors(len(arms)), strict=True):
        count = f"{len(arm.runs)} runs" if len(arm.runs) > 1 else ""
        label = name or count or arm.runs[0].path.name
        for i, run in enumerate(arm.runs):
            points = [(row.epoch, getattr(row, metric)) for row in run.epochs]
            axes.plot(
                *zip(*((x, scale * y) for x, y in points if y is not None), strict=True),
                color=color,
                marker="o",
                markersize=2.5,
                linewidth=1.0 if count else 1.4,
                label=(f"{label} ({count})" if name and count else label) if i == 0 else None,
            )
    count_epochs(axes)
    axes.set_ylabel(title_of(metric))
    clean_axes(axes)
    lines = sum(name.count("\n") + 1 for name in names_of(arms))
    if lines <= FEW:
        axes.legend(framealpha=0.85, edgecolor="none", fontsize=8)
    else:
        figure.set_size_inches(9.5, max(4.2, 0.4 + 0.15 * lines))
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def arms_with(runs: Sequence[RunRow], metric: str) -> list[Arm]:
    """Return the runs that have a metric, by everything but the seed; every one of them, also of
    seeds that are there twice.

    Raises:
        TrainerError: if there are none.
    """
    grouped: dict[tuple[tuple[str, str], ...], list[RunRow]] = {}
    for run in runs:
        if any(getattr(row, metric) is not None for row in run.epochs):
            grouped.setdefault(identity(run), []).append(run)
    if not grouped:
        raise TrainerError(f"none of the {len(runs)} runs has {metric}")
    trees = [arm_settings(members[0]) for members in grouped.values()]
    return [
        Arm(label, tree, tuple(members))
        for label, tree, members in zip(labels(trees), trees, grouped.values(), strict=True)
    ]
