"""Schedules as traces over one run, as a picture, and beside the formulas of the text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.api import compose
from trainer.core.clock import Clock
from trainer.metrics import Scores
from trainer.record.style import clean_axes, new_figure
from trainer.scheduler import Point, Schedule
from trainer.study.page import StudyFinding
from trainer.study.study import Study

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


def find(study: Study, folder: Path, *, quiet: bool = False) -> StudyFinding:
    """Draw the shapes of the text's schedules, and hold them against its formulas."""
    panels = study.settings["panels"]
    worst = {overrides: farthest(overrides) for overrides in panels}
    said = [
        f"`{overrides}` differs from the text's formula by at most {gap:.1g} of the peak over "
        f"{TOTAL} steps."
        for overrides, gap in worst.items()
    ]
    names = " ".join(overrides.removeprefix("scheduler=") for overrides in panels)
    line = "python -m trainer task=plan scheduler=$s task.picture=$s.png"
    return StudyFinding(
        said,
        "Nothing is drawn at random here.",
        figure=figure(panels, columns=len(panels)),
        notes=[f"each by itself: `for s in {names}; do {line}; done`"],
        ours={"largest": f"{max(worst.values()):.1g}"},
    )


def farthest(overrides: str) -> float:
    """Return the largest difference of a schedule from its formula in the text, as a share of the
    peak."""
    formula = FORMULAS[overrides.split()[0].removeprefix("scheduler=")]
    points = trace(overrides)
    return max(abs(point.lr_scale - formula(step)) for step, point in enumerate(points))


def step_decay(step: int) -> float:
    """Return a tenth for every 30 % of the run that is over."""
    return 0.1 ** math.floor(step / (0.3 * TOTAL) + 1e-9)


def exponential(step: int) -> float:
    """Return a decay to a tenth over half of the run."""
    return float(0.1 ** (step / (0.5 * TOTAL)))


def cyclic(step: int) -> float:
    """Return the text's triangle with x and cycle as they are meant: x = |iterations / step-size -
    2 cycle + 1|, cycle = floor(1 + iterations / (2 step-size))."""
    size = 0.25 * TOTAL
    cycle = math.floor(1 + step / (2 * size))
    return max(0.0, 1.0 - abs(step / size - 2 * cycle + 1))


def cosine(step: int) -> float:
    """Return the text's half cosine over the run."""
    return 0.5 * (1.0 + math.cos(math.pi * step / TOTAL))


FORMULAS: dict[str, Callable[[int], float]] = {
    "step": step_decay,
    "exponential": exponential,
    "cyclic": cyclic,
    "cosine": cosine,
}
