"""The schedule of a run as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainer.record.style import clean_axes, new_figure
from trainer.task._plan_facts import Facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(facts: Facts, title: str, file: Path) -> None:
    """Write the picture of a schedule; the name's end says its kind."""
    schedule_figure(facts, title).savefig(file)


def schedule_figure(facts: Facts, title: str) -> Figure:
    """Return a figure of the learning rate over the run, and of the momentum where it moves."""
    curve = facts.curve
    momentum = curve.momentum if curve.momentum and len(set(curve.momentum)) > 1 else None
    rows = 2 if momentum else 1
    figure = new_figure(7.0, 2.2 + 1.5 * rows)
    panels = figure.subplots(rows, sharex=True, squeeze=False)[:, 0]
    draw_panel(panels[0], facts, curve.lr, "learning rate")
    if momentum:
        draw_panel(panels[1], facts, momentum, "momentum")
    panels[0].set_title(title, loc="left", fontsize=9)
    panels[-1].set_xlabel("epoch")
    return figure


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
