"""Schedules as traces over one run, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.api import compose
from trainer.core.clock import Clock
from trainer.metrics import Scores
from trainer.record.style import clean_axes, new_figure
from trainer.scheduler import Point, Schedule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EPOCHS, PER_EPOCH = 20, 20
TOTAL = EPOCHS * PER_EPOCH
INCHES = (2.5, 1.85)  # of a panel


def trace(overrides: str) -> list[Point]:
    """Return the points of every step; a made-up validation loss stops falling twice."""
    made = Schedule(
        compose(*overrides.split()).scheduler, peak=0.1, total=TOTAL, steps_per_epoch=PER_EPOCH
    )
    points = []
    for step in range(TOTAL):
        points.append(made(Clock(step, TOTAL, PER_EPOCH)))
        after = Clock(step + 1, TOTAL, PER_EPOCH)
        if after.step % PER_EPOCH == 0:
            level = 0.2 if after.epoch > 9 else 1.0
            made.observe(after, Scores(level + 0.5 ** min(after.epoch, 6), 0.0, None, 1))
    return points


def figure(panels: Sequence[str], columns: int = 4) -> Figure:
    """Return a panel for each line of words: the factor of the learning rate, and the momentum
    where it moves."""
    lines = -(-len(panels) // columns)
    picture = new_figure(INCHES[0] * columns, INCHES[1] * lines, dpi=100)
    epochs = [step / PER_EPOCH for step in range(TOTAL)]
    for axes, overrides in zip(
        picture.subplots(lines, columns, sharex=True, sharey=True).flat, panels, strict=True
    ):
        points = trace(overrides)
        factors = [point.lr_scale for point in points]
        axes.plot(epochs, factors, color="tab:cyan", linewidth=1.6, label="lr / optim.lr")
        axes.fill_between(epochs, factors, color="tab:cyan", alpha=0.15, linewidth=0)
        if points[0].momentum is not None:
            momenta = [point.momentum or 0.0 for point in points]
            axes.plot(epochs, momenta, color="tab:orange", linewidth=1.2, label="momentum")
            axes.legend(frameon=False, fontsize=7, loc="lower center")
        axes.set_title(overrides.replace(" scheduler.", "\n"), fontsize=8)
        clean_axes(axes)
        axes.tick_params(labelsize=7)
    picture.supxlabel("epoch", fontsize=9)
    return picture
