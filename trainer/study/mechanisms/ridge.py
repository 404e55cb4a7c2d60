"""Accuracy over the learning rate and a second value: the best lie on a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.analysis import slices
from trainer.analysis.compare import arms_of
from trainer.analysis.slices import Slice
from trainer.record.runs import RunRow
from trainer.record.style import ACCENT, DARK
from trainer.study.runs import VAL
from trainer.study.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

DEEPEST = 0.3  # below the best an accuracy has the darkest colour


def see(study: Study, runs: Sequence[RunRow]) -> Slice:
    """Gather the study's runs into cells, judged on val."""
    return slices.slice_of(arms_of(runs), VAL)


def draw(panel: SubFigure, seen: Slice, share: float = 1.0) -> None:
    """Draw each cell's accuracy, the best of each row framed, and the ridge through them."""
    from matplotlib.patches import Rectangle

    axes = panel.subplots()
    rows = seen.lines[: max(1, round(share * len(seen.lines)))]
    means = np.full((len(seen.lines), len(seen.rates)), np.nan)
    for i, line in enumerate(rows):
        for cell in line.cells:
            if cell.spread.mean is not None:
                means[i, seen.rates.index(cell.lr)] = 100.0 * cell.spread.mean
    best = float(np.nanmax(means))
    style: dict[str, Any] = {"origin": "lower", "aspect": "auto", "cmap": "viridis"}
    axes.imshow(means, vmin=best - 100.0 * DEEPEST, vmax=best, **style)
    for (i, j), mean in np.ndenumerate(means):
        if np.isfinite(mean):
            ink = "black" if mean > best - 50.0 * DEEPEST else "white"
            axes.text(j, i, f"{mean:.0f}", ha="center", va="center", fontsize=15, color=ink)
    for i in range(len(rows)):
        j = int(np.nanargmax(means[i]))
        frame: dict[str, Any] = {"fill": False, "ec": ACCENT, "lw": 4.0}
        axes.add_patch(Rectangle((j - 0.46, i - 0.45), 0.92, 0.9, **frame))
    ridge = slices.fit_of(seen)
    if ridge.slope is not None and ridge.offset is not None and share >= 1.0:
        rates = np.log2(seen.rates)
        y = np.log2([ridge.fitted[0].y, ridge.fitted[-1].y])
        x = np.interp(ridge.offset + ridge.slope * y, rates, range(len(rates)))
        at = np.interp(y, np.log2([line.y for line in seen.lines]), range(len(seen.lines)))
        axes.plot(x, at, color="white", linewidth=8, alpha=0.7, solid_capstyle="round")
        axes.plot(x, at, color=ACCENT, linewidth=4, solid_capstyle="round")
    axes.set_xticks(range(len(seen.rates)), [f"{rate:g}" for rate in seen.rates], fontsize=13)
    axes.set_yticks(range(len(seen.lines)), [f"{line.y:g}" for line in seen.lines], fontsize=13)
    axes.set_xlabel("learning rate", fontsize=14, color=DARK)
    axes.set_ylabel(seen.title, fontsize=14, color=DARK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("validation accuracy (%)", fontsize=14, loc="left", color=DARK)
