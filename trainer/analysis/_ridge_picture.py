"""The fit of a ridge as a picture: each row's best learning rate, and the line through them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from trainer.analysis._pictures import bare
from trainer.analysis._ridge import LOW, Ridge
from trainer.analysis._ridge_words import EXPECTED, ends, invariant
from trainer.analysis._slice import LR, Slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RIDGE = "#d1495b"
GREY = "0.45"


def draw_ridge(axes: Axes, slice_: Slice, ridge: Ridge) -> None:
    """Draw the best learning rate of each row with its interval, the fitted line and the slope that
    is expected; hollow triangles are bounds, of rows whose best is at the edge."""
    draw_tops(axes, ridge)
    if ridge.slope is not None:
        draw_lines(axes, slice_, ridge)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    values = [top.y for top in ridge.tops if top.y > 0.0]
    axes.set_xticks(values, [f"{y:.4g}" for y in values], rotation=45.0 if len(values) > 7 else 0.0)
    low, high = (math.log2(limit) for limit in axes.get_ylim())
    rates = [rate for rate in slice_.rates if low <= math.log2(rate) <= high]
    axes.set_yticks(rates, [f"{rate:.3g}" for rate in rates])
    axes.minorticks_off()
    axes.tick_params(labelsize=8)
    axes.set_xlabel(f"{slice_.title} (log scale)")
    axes.set_ylabel(f"best {LR} (log scale)")
    bare(axes)
    if axes.get_legend_handles_labels()[0]:
        is_rising = (ridge.slope or 0.0) >= 0.0
        axes.legend(frameon=False, fontsize=7.5, loc="upper left" if is_rising else "upper right")
    axes.set_title("best of each row, 95 % interval", fontsize=9, loc="left")


def draw_tops(axes: Axes, ridge: Ridge) -> None:
    """Draw each row's best, as far as it has a logarithm."""
    for top in ridge.tops:
        if top.lr is None or top.y <= 0.0:
            continue
        if top.edge:
            mark = "v" if top.edge == LOW else "^"
            axes.plot(top.y, top.lr, mark, color=RIDGE, ms=7, mfc="white")
            continue
        low, high = top.interval or (top.lr, top.lr)
        reach = ([max(top.lr - low, 0.0)], [max(high - top.lr, 0.0)])
        axes.errorbar(top.y, top.lr, yerr=reach, color=RIDGE, fmt="o", ms=5.5, capsize=3, lw=1.4)


def draw_lines(axes: Axes, slice_: Slice, ridge: Ridge) -> None:
    """Draw the fitted line, and one of the expected slope through its middle."""
    assert ridge.slope is not None
    ends_of = np.array([ridge.fitted[0].y, ridge.fitted[-1].y])
    known = f" ({ends(ridge.interval)})" if ridge.interval else ""
    rates = [ridge.rate_at(y) for y in ends_of]
    axes.plot(ends_of, rates, color=RIDGE, linewidth=1.8, label=f"slope {ridge.slope:+.2f}{known}")
    expected = EXPECTED.get(slice_.key)
    if expected is not None:
        middle = 2.0 ** np.mean([math.log2(top.y) for top in ridge.fitted])
        line = ridge.rate_at(float(middle)) * (ends_of / middle) ** expected
        label = f"slope {expected:+d}:\n{invariant(slice_, expected)}\nis constant"
        axes.plot(ends_of, line, color=GREY, linewidth=1.2, linestyle="--", label=label)
