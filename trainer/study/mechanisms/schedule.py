"""The learning rate over a run, and the training loss along it, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainer.record.runs import RunRow
from trainer.record.style import DARK, clean_axes, colors, end_labels
from trainer.study.mechanisms._live import live
from trainer.study.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

SMOOTH = 0.04  # of the run: the width of the mean that is drawn


@dataclass(frozen=True)
class Trace:
    """A run step by step.

    Attributes:
        label: of its arm.
        lrs: (N,) learning rate of each step.
        losses: (N,) training loss of each step's batch.
    """

    label: str
    lrs: NDArray[np.float64]
    losses: NDArray[np.float64]

    @property
    def smooth(self) -> NDArray[np.float64]:
        """The losses, each a mean over its neighbours, fewer at the ends."""
        width = max(1, int(SMOOTH * len(self.losses)))
        count = np.convolve(np.ones(len(self.losses)), np.ones(width), "same")
        mean: NDArray[np.float64] = np.convolve(self.losses, np.ones(width), "same") / count
        return mean


def see(study: Study, runs: Sequence[RunRow]) -> list[Trace]:
    """Train an arm each, all with the baseline's values: they differ in the schedule alone."""
    return [trace(study, label) for label in study.labels]


def trace(study: Study, label: str) -> Trace:
    """Train an arm, and return its learning rate and loss at each step."""
    lrs, losses = [], []
    for run in live(study, label).steps():
        meter = run.state.meter
        if meter.sizes:  # at an epoch's end it is empty: that step is left out
            lrs.append(float(run.optimizer.param_groups[0]["lr"]))
            losses.append(float(meter.losses[len(meter.sizes) - 1]))
    return Trace(label, np.array(lrs), np.array(losses))


def draw(panel: SubFigure, seen: Sequence[Trace], share: float = 1.0) -> None:
    """Draw the rates above the losses, a colour for each arm, named at its end."""
    above, below = panel.subplots(2, 1, sharex=True, height_ratios=(1.0, 1.5))
    hues = colors(len(seen))
    for axes, name in ((above, "lrs"), (below, "smooth")):
        ends = []
        for one, color in zip(seen, hues, strict=True):
            values = getattr(one, name)
            shown = values[: max(2, round(share * len(values)))]
            x = np.linspace(0.0, 100.0 * len(shown) / len(values), len(shown))
            axes.plot(x, shown, color=color, linewidth=3.0)
            ends.append((x[-1], shown[-1], one.label, color))
        end_labels(axes, ends)
        clean_axes(axes, size=11)
    above.set_ylabel("learning rate", fontsize=13, color=DARK)
    below.set_ylabel("training loss", fontsize=13, color=DARK)
    below.set_xlabel("% of the run", fontsize=13, color=DARK)
    above.set_ylim(bottom=0.0)
    below.set_xlim(0.0, 100.0)
    settled = np.concatenate([one.smooth[len(one.smooth) // 20 :] for one in seen])
    below.set_ylim(0.0, 1.05 * float(settled[np.isfinite(settled)].max(initial=1e-9)))
