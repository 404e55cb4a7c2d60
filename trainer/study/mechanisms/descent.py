"""Steps of several learning rates down the loss of the network, along one line of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from trainer.record.runs import RunRow
from trainer.record.style import DARK, FEW, clean_axes
from trainer.study.mechanisms._live import live, loss_of, put, vector
from trainer.study.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

POINTS, STEPS = 81, 6
# Learning rates as multiples of 1 / curvature, above twice which steps climb; and what they do.
RATES = ((0.12, "too small: crawls"), (1.0, "right: arrives"), (2.4, "too large: climbs out"))
REACH = 3.0  # times the way to the least loss: how far the line is looked at


@dataclass(frozen=True)
class Descent:
    """The loss along a line, and steps on it.

    Attributes:
        places: (N,) along the line, which begins at the network's first weights and follows the
            gradient; in units of the gradient, so that a step of gradient descent is its rate.
        losses: (N,) there.
        rates: learning rates, from low to high.
        paths: the place of each rate's steps, the first 0.
    """

    places: np.ndarray
    losses: np.ndarray
    rates: tuple[float, ...]
    paths: tuple[np.ndarray, ...]


def see(study: Study, runs: Sequence[RunRow]) -> Descent:
    """Follow the gradient at the first weights to beyond the least loss, and take steps there."""
    one = live(study, "")
    model, batch = one.run.model, one.train_images()
    model.train()
    functional.cross_entropy(model(batch.images), batch.labels).backward()  # type: ignore[no-untyped-call]
    start = vector(model)
    gradient = torch.cat(
        [p.grad.double().flatten() for p in model.parameters() if p.grad is not None]
    )

    def loss(place: float) -> float:
        put(model, start - place * gradient)
        return loss_of(model, batch.images, batch.labels)

    doubled = 0.01
    while loss(2 * doubled) < loss(doubled):
        doubled *= 2
    places = np.linspace(-0.25, 1.0, POINTS) * REACH * doubled
    losses = np.array([loss(place) for place in places])
    return steps_on(places, losses)


def steps_on(places: np.ndarray, losses: np.ndarray) -> Descent:
    """Return gradient descent on a curve that is given at places."""
    slopes = np.gradient(losses, places)
    start = float(np.interp(0.0, places, slopes))  # minus the gradient's squared norm
    bottom = int(losses.argmin())
    # the secant's curvature from the start to the bottom: a rate of 1 over it lands there
    curvature = -start / places[bottom]
    paths = []
    for factor, _ in RATES:
        path = [0.0]
        for _ in range(STEPS):
            slope = float(np.interp(path[-1], places, slopes))
            path.append(
                float(np.clip(path[-1] - factor / curvature * slope, places[0], places[-1]))
            )
        paths.append(np.array(path))
    rates = tuple(factor * places[bottom] for factor, _ in RATES)
    return Descent(places, losses, rates, tuple(paths))


def draw(panel: SubFigure, seen: Descent, share: float = 1.0) -> None:
    """Draw the curve with each rate's steps as arrows on it."""
    rows = panel.subplots(len(RATES), 1, sharex=True, sharey=True)
    low, high = seen.losses.min(), seen.losses.max()
    hues = (FEW[0], FEW[2], FEW[1])
    for axes, path, (_, name), color in zip(rows, seen.paths, RATES, hues, strict=True):
        axes.plot(seen.places, seen.losses, color="#999999", linewidth=2.5, zorder=1)
        last = max(1, round(share * STEPS)) + 1
        x = path[:last]
        y = np.interp(x, seen.places, seen.losses)
        for i in range(len(x) - 1):
            arrow: dict[str, Any] = {
                "arrowstyle": "-|>",
                "color": color,
                "lw": 2.0,
                "shrinkA": 2,
                "shrinkB": 4,
            }
            axes.annotate("", (x[i + 1], y[i + 1]), (x[i], y[i]), arrowprops=arrow)
        axes.plot(x, y, "o", color=color, ms=7, mew=0)
        axes.plot(x[-1], y[-1], "o", color=color, ms=13, mec="white", mew=1.5, zorder=4)
        where: dict[str, Any] = {
            "xycoords": "axes fraction",
            "va": "top",
            "ha": "center",
            "fontsize": 16,
        }
        axes.annotate(name, (0.55, 0.98), color=color, fontweight="bold", **where)
        axes.set_ylim(low - 0.12 * (high - low), high + 0.35 * (high - low))
        clean_axes(axes)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_ylabel("loss", fontsize=12, color=DARK)
    rows[-1].set_xlabel("the network's weights, along its first gradient", fontsize=13, color=DARK)
