"""Curves of runs over epochs, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.analysis._arms import grouped
from trainer.analysis._pictures import count_epochs, curve_of, names_of, title_of
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
    arms = grouped(run for run in runs if curve_of(run, metric)[0])
    if not arms:
        raise TrainerError(f"none of the {len(runs)} runs has {metric}")
    figure = new_figure(7.0, 4.2)
    axes = figure.add_subplot()
    for arm, name, color in zip(arms, names_of(arms), colors(len(arms)), strict=True):
        count = f"{len(arm.runs)} runs" if len(arm.runs) > 1 else ""
        label = name or count or arm.runs[0].path.name
        for i, run in enumerate(arm.runs):
            axes.plot(
                *curve_of(run, metric),
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
