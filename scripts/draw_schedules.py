"""Every schedule of the registry over one run, as the picture of docs/schedulers.md.

Usage: python -m scripts.draw_schedules [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from trainer import compose
from trainer.duration import Clock
from trainer.metrics import Scores
from trainer.scheduler.base import SCHEDULERS, Point, Schedule

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE = Path(__file__).resolve().parent.parent / "docs" / "images" / "schedules.png"
EPOCHS, PER_EPOCH = 20, 20
TOTAL = EPOCHS * PER_EPOCH
# Each with its defaults, but for the class of torch; then what the shared keys do.
WORDS = {"torch": "scheduler.lr_scheduler=CosineAnnealingLR scheduler.args={T_max:100}"}
PANELS = (
    *(f"scheduler={name} {WORDS.get(name, '')}".strip() for name in SCHEDULERS.names()),
    "scheduler=cosine scheduler.warmup=10%",
    "scheduler=cosine scheduler.every=1ep",
    "scheduler=cyclic scheduler.mode=triangular2 scheduler.min_lr=10%",
)


def trace(words: str) -> list[Point]:
    """Return the points of every step; a made-up validation loss stops falling twice."""
    made = Schedule(
        compose(*words.split()).scheduler, peak=0.1, total=TOTAL, windows_per_epoch=PER_EPOCH
    )
    points = []
    for window in range(TOTAL):
        points.append(made(Clock(window, TOTAL, PER_EPOCH)))
        after = Clock(window + 1, TOTAL, PER_EPOCH)
        if after.window % PER_EPOCH == 0:
            level = 0.2 if after.epoch > 9 else 1.0
            made.observe(after, Scores(level + 0.5 ** min(after.epoch, 6), 0.0, None, 1))
    return points


def figure() -> Figure:
    """Return a panel for each: the factor of the learning rate, and the momentum where it moves."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(10.0, 7.4), dpi=100, layout="constrained")
    epochs = [window / PER_EPOCH for window in range(TOTAL)]
    panels = picture.subplots(4, 4, sharex=True, sharey=True).flat
    for axes, words in zip(panels, PANELS, strict=True):
        points = trace(words)
        factors = [point.lr_scale for point in points]
        axes.plot(epochs, factors, color="tab:cyan", linewidth=1.6, label="lr / optim.lr")
        axes.fill_between(epochs, factors, color="tab:cyan", alpha=0.15, linewidth=0)
        if points[0].momentum is not None:
            momenta = [point.momentum or 0.0 for point in points]
            axes.plot(epochs, momenta, color="tab:orange", linewidth=1.2, label="momentum")
            axes.legend(frameon=False, fontsize=7, loc="lower center")
        axes.set_title(words.replace(" scheduler.", "\n"), fontsize=8)
        axes.grid(visible=True, alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
    picture.supxlabel("epoch", fontsize=9)
    return picture


if __name__ == "__main__":
    figure().savefig(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
