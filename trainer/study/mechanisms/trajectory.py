"""The trajectory of the weights at a learning rate that does not fall, in the plane of its
principal components, with the average of it and the loss about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.core.errors import ConfigError
from trainer.record.runs import RunRow
from trainer.record.style import DARK, FEW
from trainer.study.mechanisms._live import live, loss_of, put, vector
from trainer.study.plane import LEAST, plane_of
from trainer.study.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

GRID, REACH, PER_EPOCH = 13, 1.25, 6  # points across, spreads beyond the points, snapshots
BEGINS = 0.5  # of the run: from where on weights are averaged


@dataclass(frozen=True)
class Trajectory:
    """A trajectory in its plane.

    Attributes:
        points: (T, 2) coordinates of the snapshots, their average being the origin.
        axes: (2, P) orthonormal directions of the plane; `centre` (P,) the average.
        x: (N,), y: (N,) coordinates of the grid, and the loss (N, N) there, row by row of y.
        last, average: the loss at the last snapshot and at the average.
    """

    points: NDArray[np.float64]
    axes: torch.Tensor
    centre: torch.Tensor
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    losses: NDArray[np.float64]
    last: float
    average: float


def see(study: Study, runs: Sequence[RunRow]) -> Trajectory:
    """Train the baseline, look at its weights in the later part, and at the validation images' loss
    about them."""
    one = live(study, study.labels[0])
    every = max(1, one.run.data.steps_per_epoch // PER_EPOCH)
    begin = BEGINS * one.run.total
    snapshots = [vector(run.model) for run in one.steps(every) if run.state.step >= begin]
    if len(snapshots) < LEAST:
        raise ConfigError(f"{study.name}: {one.run.total} steps are too few to draw a trajectory")
    model = one.run.model
    parts = [one.run.ready(batch) for batch in one.run.data.val_batches()]
    images, labels = torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts])
    points, axes, centre = plane_of(torch.stack(snapshots))

    def loss(x: float, y: float) -> float:
        put(model, centre + x * axes[0] + y * axes[1])
        return loss_of(model, images, labels)

    reach = REACH * np.abs(points).max(0)
    x, y = (np.linspace(-r, r, GRID) for r in reach)
    losses = np.array([[loss(a, b) for a in x] for b in y])
    put(model, snapshots[-1])
    return Trajectory(
        points, axes, centre, x, y, losses, loss_of(model, images, labels), loss(0.0, 0.0)
    )


def draw(panel: SubFigure, seen: Trajectory, share: float = 1.0) -> None:
    """Draw the trajectory over the loss, and the average of what there is of it."""
    axes = panel.subplots()
    levels = np.quantile(seen.losses, np.linspace(0.0, 1.0, 14))
    axes.contourf(
        seen.x, seen.y, seen.losses, levels=np.unique(levels), cmap="Blues_r", extend="both"
    )
    shown = seen.points[: max(2, round(share * len(seen.points)))]
    axes.plot(*shown.T, "o-", color="#333333", linewidth=1.0, ms=4, alpha=0.75, mew=0)
    for point, text, color, marker, size in (
        (shown[-1], "last weights", FEW[1], "o", 15),
        (shown.mean(0), "their average", "#ffd43b", "*", 30),
    ):
        axes.plot(*point, marker, color=color, ms=size, mec="white" if marker == "o" else DARK)
        box = {"boxstyle": "round,pad=0.25", "fc": "white", "ec": "none", "alpha": 0.85}
        place: dict[str, Any] = {
            "xytext": (0, 20),
            "textcoords": "offset points",
            "ha": "center",
            "fontsize": 15,
        }
        axes.annotate(text, point, color=DARK, fontweight="bold", bbox=box, **place)
    axes.set_xlim(seen.x[0], seen.x[-1])
    axes.set_ylim(seen.y[0], seen.y[-1])
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(
        f"the weights' way; dark: low loss\n"
        f"loss {seen.last:.2f} at the last, {seen.average:.2f} at the average",
        fontsize=13,
        color=DARK,
    )
