"""Where the seconds of a step go: in one process, and in two that exchange gradients."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from trainer.record.runs import RunRow
from trainer.record.style import DARK, FEW, clean_axes
from trainer.study.mechanisms._live import live
from trainer.study.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure


@dataclass(frozen=True)
class StepTimes:
    """Milliseconds of one step.

    Attributes:
        whole: in one process, the whole batch.
        half: in one process, half of the batch, which is what each of two computes.
        two: in two processes, the whole batch.
        images: of a batch.
    """

    whole: float
    half: float
    two: float
    images: int

    @property
    def exchange(self) -> float:
        """What two processes spend on more than their half."""
        return max(0.0, self.two - self.half)


def see(study: Study, runs: Sequence[RunRow]) -> StepTimes:
    """Take the times of the study's runs, and train once with half of the batch."""
    images = int(runs[0].config["batch_size"])
    one, two = ([r for r in runs if r.summary.get("world_size") == n] for n in (1, 2))
    half = live(study, study.labels[0], f"batch_size={images // 2}")
    spent = []
    for run in half.steps(every=half.run.total):
        train, steps = run.state.seconds["train"], run.state.step
        spent.append((train, steps))
    per_step = min((b[0] - a[0]) / (b[1] - a[1]) for a, b in pairwise(spent))
    return StepTimes(per_image(one) * images, 1000.0 * per_step, per_image(two) * images, images)


def per_image(runs: Sequence[RunRow]) -> float:
    """Return the median of milliseconds for each image, over runs and epochs but the first."""
    speeds = [row.images_per_s for run in runs for row in run.epochs[1:] or run.epochs]
    return 1000.0 / statistics.median([s for s in speeds if s])


def draw(panel: SubFigure, seen: StepTimes, share: float = 1.0) -> None:
    """Draw a bar for each process: what it computes, and what two spend on each other."""
    axes = panel.subplots()
    n, height = seen.images, 0.62
    bars = (
        ("one", 0.0, seen.whole, f"{n} images", 0.0),
        ("two", 1.35, seen.half, f"{n // 2} images", seen.exchange),
        ("", 2.05, seen.half, f"{n // 2} images", seen.exchange),
    )
    end = share * max(seen.whole, seen.half + seen.exchange)
    for _, place, work, text, exchange in bars:
        color = FEW[0] if place == 0.0 else FEW[1]
        axes.barh(place, min(work, end), height=height, color=color)
        axes.barh(
            place, max(0.0, min(exchange, end - work)), left=work, height=height, color="#e8c53a"
        )
        style: dict[str, Any] = {
            "va": "center",
            "fontsize": 14,
            "color": "white",
            "fontweight": "bold",
        }
        axes.text(0.03 * seen.whole, place, text, **style)
    axes.text(
        seen.half + 0.5 * seen.exchange,
        2.5,
        "exchange and wait",
        ha="center",
        va="top",
        fontsize=13,
        color=DARK,
    )
    axes.set_yticks([0.0, 1.7], ["one\nprocess", "two\nprocesses"], fontsize=15)
    axes.set_ylim(2.85, -0.5)
    clean_axes(axes, "x", size=12)
    for label, color in zip(axes.get_yticklabels(), FEW[:2], strict=True):
        label.set(color=color, fontsize=15, fontweight="bold")
    axes.set_xlabel("milliseconds of a step", fontsize=13, color=DARK)
