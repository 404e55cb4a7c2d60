"""Paths of optimizers in a long valley: the loss of two numbers, one a thousand times as steep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainer.optim import build_optimizer
from trainer.record.runs import RunRow
from trainer.record.style import DARK, clean_axes, colors
from trainer.study.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

START, STEEP, STEPS = (-9.0, 0.9), (1.0, 1000.0), 50
RATES = tuple(float(r) for r in np.geomspace(1e-4, 3.0, 46))
SETTLED, FAR = 10, 1e6  # last steps by which a rate is judged; beyond it a path is lost


@dataclass(frozen=True)
class Path:
    """Where an optimizer went.

    Attributes:
        label: of the arm.
        lr: the rate with the least mean loss over the last steps, of `RATES`.
        points: (STEPS + 1, 2), from the start on.
    """

    label: str
    lr: float
    points: NDArray[np.float64]


def loss_of(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half the squares of points (..., 2), each as steep as `STEEP` says."""
    found: NDArray[np.float64] = 0.5 * (np.array(STEEP) * points**2).sum(-1)
    return found


def follow(make: Callable[[nn.Module], torch.optim.Optimizer], lr: float) -> NDArray[np.float64]:
    """Return where an optimizer goes from the start with one rate."""
    place = nn.ParameterList([nn.Parameter(torch.tensor([x], dtype=torch.float64)) for x in START])
    optimizer = make(place)
    for group in optimizer.param_groups:
        group["lr"], group["weight_decay"] = lr, 0.0
    points = [list(START)]
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = sum((0.5 * a * x**2).sum() for a, x in zip(STEEP, place, strict=True))
        assert isinstance(loss, torch.Tensor)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        points.append([float(x.detach()) for x in place])
    found: NDArray[np.float64] = np.nan_to_num(np.array(points), nan=FAR).clip(-FAR, FAR)
    return found


def see(study: Study, runs: Sequence[RunRow]) -> list[Path]:
    """Let each arm's optimizer go with its own best rate."""
    found = []
    for label in study.labels:
        config = study.compose(*study.job(label, study.chosen(label), study.first).overrides)
        make = partial(build_optimizer, config.optim, batch_size=config.batch_size)
        paths = {lr: follow(make, lr) for lr in RATES}
        best = min(paths, key=lambda lr: float(loss_of(paths[lr][-SETTLED:]).mean()))
        found.append(Path(label, best, paths[best]))
    return found


def draw(panel: SubFigure, seen: Sequence[Path], share: float = 1.0) -> None:
    """Draw each path over the valley's contours, a panel for each."""
    x, y = np.meshgrid(np.linspace(-10.5, 3.5, 120), np.linspace(-1.3, 1.3, 120))
    losses = loss_of(np.stack([x, y], -1))
    rows = np.atleast_1d(panel.subplots(len(seen), 1, sharex=True, sharey=True))
    for axes, path, color in zip(rows, seen, colors(len(seen)), strict=True):
        axes.contourf(
            x,
            y,
            losses,
            levels=np.geomspace(0.5, 1500, 14),
            cmap="Greys",
            alpha=0.45,
            extend="both",
        )
        shown = path.points[: max(2, round(share * len(path.points)))]
        axes.plot(*shown.T, "o-", color=color, linewidth=2.2, ms=5, mew=0)
        axes.plot(*START, "o", color=DARK, ms=11, mew=0)
        axes.plot(0.0, 0.0, "*", color="#e0a800", ms=22, mec=DARK, mew=0.8)
        axes.set_title(path.label, fontsize=16, loc="left", color=color, fontweight="bold")
        clean_axes(axes)
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlim(-10.5, 3.5)
        axes.set_ylim(-1.3, 1.3)
    rows[-1].set_xlabel(
        f"{STEPS} steps in a valley {STEEP[1] / STEEP[0]:g} times as steep across", fontsize=13
    )
