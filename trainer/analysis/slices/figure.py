"""A slice as a picture: heat maps with the ridge over them, and the fit beside them."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.analysis._arms import higher_is_better, is_share, scale_of
from trainer.analysis._pictures import title_of
from trainer.analysis.slices.grid import LR, GridCell, Slice
from trainer.analysis.slices.ridge import LOW, Ridge, Top
from trainer.analysis.slices.verdict import EXPECTED, ends, invariant, sentence
from trainer.record.style import ACCENT, GREY, LOST, clean_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)  # below the best: where contours of an accuracy are drawn

DEEPEST = 0.3  # below the best an accuracy has the darkest colour, or bad cells would hide the rest


def slices_figure(slice_: Slice, ridge: Ridge, title: str = "") -> Figure:
    """Return the heat map, that of the test images where there is one, and the ridge's fit."""
    maps = 1 if slice_.tested is None else 2
    across = 1.6 + max(3.4, 0.52 * len(slice_.rates))
    height = max(3.8, 1.3 + 0.42 * len(slice_.lines))
    width = maps * across + 4.0
    words = textwrap.fill(sentence(slice_, ridge), int(13.5 * width), break_on_hyphens=False)
    text = f"{title}\n{words}" if title else words
    height += 0.2 * (text.count("\n") + 1)
    figure = new_figure(width, height, dpi=130)
    panels = figure.subplots(1, maps + 1, width_ratios=[*[across] * maps, 4.0])
    draw_map(panels[0], slice_, ridge)
    if slice_.tested is not None:
        draw_map(panels[1], slice_, ridge, is_test=True)
    draw_ridge(panels[-1], slice_, ridge)
    figure.suptitle(text, fontsize=9.5, x=0.01, ha="left")
    return figure


def draw_map(axes: Axes, slice_: Slice, ridge: Ridge, *, is_test: bool = False) -> None:
    """Draw means over seeds as colours and numbers on logarithmic axes, the best of each row
    framed, the ridge, and contours; cells with diverged runs are hatched and count them."""
    rates, places = np.log2(slice_.rates), places_of(slice_)
    metric = (slice_.tested or "") if is_test else slice_.metric
    means = means_of(slice_, is_test=is_test)
    low, high = colour_range(means, metric)
    mesh = axes.pcolormesh(
        edges_of(rates),
        edges_of(places),
        np.ma.masked_invalid(means),
        cmap="viridis" if higher_is_better(metric) else "viridis_r",
        vmin=low,
        vmax=high,
    )
    on_log = np.array([line.y > 0.0 for line in slice_.lines])
    draw_contours(axes, rates, places[on_log], means[on_log], metric)
    draw_cells(axes, slice_, means, (low, high), metric)
    for place, top in zip(places, ridge.tops, strict=True):
        draw_best(axes, rates, places, place, top)
    draw_line(axes, ridge, places)
    axes.set_xlim(edges_of(rates)[0], edges_of(rates)[-1])
    axes.set_ylim(edges_of(places)[0], edges_of(places)[-1])
    turned = 45.0 if len(rates) > 8 else 0.0
    axes.set_xticks(rates, [f"{rate:.3g}" for rate in slice_.rates], rotation=turned)
    axes.set_yticks(places, [f"{line.y:.4g}" for line in slice_.lines])
    axes.set_xlabel(f"{LR} (log scale)")
    axes.set_ylabel(f"{slice_.title} (log scale)")
    axes.tick_params(labelsize=8, length=0)
    axes.spines[:].set_visible(False)
    heading = f"{title_of(metric)}, {counted(slice_, is_test=is_test)}"
    axes.set_title(
        f"{heading}\n{legend_of(slice_, ridge, is_test=is_test)}", fontsize=7.5, loc="left"
    )
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.01, aspect=30)
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_visible(False)


def places_of(slice_: Slice) -> Array:
    """Return where rows stand: at their logarithms; what has none stands a row below."""
    values = [line.y for line in slice_.lines]
    logs = [math.log2(y) for y in values if y > 0.0]
    step = (logs[-1] - logs[0]) / (len(logs) - 1) if len(logs) > 1 else 1.0
    start = logs[0] if logs else 0.0
    below = len(values) - len(logs)
    return np.array([start - step * (below - i) for i in range(below)] + logs)


def edges_of(centres: Array) -> Array:
    """Return the borders of cells: halfway between neighbours."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = 0.5 * (centres[1:] + centres[:-1])
    first, last = 2 * centres[0] - middle[0], 2 * centres[-1] - middle[-1]
    return np.array([first, *middle, last])


def means_of(slice_: Slice, *, is_test: bool) -> Array:
    """Return means by row and column, in percent where they are shares; NaN where none is."""
    metric = (slice_.tested or "") if is_test else slice_.metric
    scale = scale_of(metric)
    columns = {rate: i for i, rate in enumerate(slice_.rates)}
    means = np.full((len(slice_.lines), len(columns)), np.nan)
    for i, line in enumerate(slice_.lines):
        for cell in line.cells:
            mean = (cell.tested_spread if is_test else cell.spread).mean
            if mean is not None:
                means[i, columns[cell.lr]] = scale * mean
    return means


def colour_range(means: Array, metric: str) -> tuple[float, float]:
    low, high = float(np.nanmin(means)), float(np.nanmax(means))
    if is_share(metric):
        return max(low, high - 100.0 * DEEPEST), high
    return (
        (low, float(np.nanquantile(means, 0.75))) if not higher_is_better(metric) else (low, high)
    )


def draw_contours(axes: Axes, x: Array, y: Array, means: Array, metric: str) -> None:
    """Draw lines of equal accuracy, so many points below the best cell."""
    known = means[np.isfinite(means)]
    if min(means.shape) < 2 or not known.size or known.max() == known.min():
        return
    levels = (
        [float(known.max()) - 100.0 * step for step in reversed(STEPS)]
        if is_share(metric)
        else [float(level) for level in np.quantile(known, [0.2, 0.4, 0.6, 0.8])]
    )
    levels = sorted({level for level in levels if known.min() < level < known.max()})
    if levels:
        style: dict[str, Any] = {"colors": "white", "linewidths": 0.9, "alpha": 0.75}
        axes.contour(x, y, np.ma.masked_invalid(means), levels=levels, **style)


def draw_cells(
    axes: Axes, slice_: Slice, means: Array, colours: tuple[float, float], metric: str
) -> None:
    """Write each cell's mean, and hatch those with diverged runs."""
    from matplotlib.patches import Rectangle

    x, y = edges_of(np.log2(slice_.rates)), edges_of(places_of(slice_))
    size = 7.5 if len(slice_.rates) <= 7 else 6.5
    low, high = colours
    even = len({len(cell.values) for cell in slice_.cells if cell.is_whole}) <= 1
    for i, line in enumerate(slice_.lines):
        for cell in line.cells:
            j = slice_.rates.index(cell.lr)
            mean = means[i, j]
            share = (mean - low) / (high - low) if high > low else 1.0
            bright = share if higher_is_better(metric) else 1.0 - share
            ink = "black" if not math.isfinite(mean) or bright > 0.6 else "white"
            if cell.arm.diverged:
                width, height = x[j + 1] - x[j], y[i + 1] - y[i]
                style: dict[str, Any] = {"hatch": "///", "fill": False, "lw": 0, "ec": LOST}
                axes.add_patch(Rectangle((x[j], y[i]), width, height, alpha=0.5, **style))
                ink = LOST if not math.isfinite(mean) else ink
            text = cell_text(cell, mean, metric, even=even)
            centre = (0.5 * (x[j] + x[j + 1]), 0.5 * (y[i] + y[i + 1]))
            axes.text(*centre, text, ha="center", va="center", fontsize=size, color=ink, zorder=5)


def cell_text(cell: GridCell, mean: float, metric: str, *, even: bool) -> str:
    """Return what stands in a cell: the mean, n where cells differ in it, runs that diverged."""
    number = "" if not math.isfinite(mean) else f"{mean:.1f}" if is_share(metric) else f"{mean:.3g}"
    gone = f"x {len(cell.arm.diverged)}/{len(cell.arm.runs)}" if cell.arm.diverged else ""
    count = f"n={len(cell.values)}" if not even and not gone and cell.values else ""
    failed = "failed" if not (number or gone) else ""
    return "\n".join(part for part in (number, gone, count, failed) if part)


def counted(slice_: Slice, *, is_test: bool) -> str:
    """Return how many seeds the means are of."""
    counts = {len(c.tested if is_test else c.values) for c in slice_.cells if c.is_whole}
    return f"mean of n = {counts.pop()}" if len(counts) == 1 else "means"


def legend_of(slice_: Slice, ridge: Ridge, *, is_test: bool) -> str:
    """Return what the marks of a map mean, of those that it has."""
    contours = ", ".join(f"{100 * step:g}" for step in STEPS)
    where = f" on {slice_.metric}" if is_test else ""
    marks = {
        f"framed: best of the row{where}": True,
        "dotted: at its edge": any(top.edge for top in ridge.tops),
        "hatched, x: diverged runs": any(cell.arm.diverged for cell in slice_.cells),
        "red: fitted ridge": ridge.slope is not None,
        f"white: {contours} points below the best": is_share(slice_.metric),
    }
    return "\n".join(textwrap.wrap("; ".join(k for k, v in marks.items() if v), 90))


def draw_best(axes: Axes, rates: Array, places: Array, place: float, top: Top) -> None:
    """Frame a row's highest cell, dashed at an edge, and dot the top between the columns."""
    from matplotlib.patches import Rectangle

    if top.lr is None or top.column is None:
        return
    x, y = edges_of(rates), edges_of(places)
    j = int(np.argmin(np.abs(rates - math.log2(top.column))))
    i = int(np.argmin(np.abs(places - place)))
    size = (x[j + 1] - x[j], y[i + 1] - y[i])
    corner = (x[j] + 0.03 * size[0], y[i] + 0.04 * size[1])
    dashes = ":" if top.edge else "-"
    style: dict[str, Any] = {"fill": False, "ec": ACCENT, "lw": 2.0, "ls": dashes}
    axes.add_patch(Rectangle(corner, 0.94 * size[0], 0.92 * size[1], **style))


def draw_line(axes: Axes, ridge: Ridge, places: Array) -> None:
    """Draw the fitted ridge over a map, over the rows that it was fitted to."""
    if ridge.slope is None or ridge.offset is None:
        return
    y = np.log2([ridge.fitted[0].y, ridge.fitted[-1].y])
    x = ridge.offset + ridge.slope * y
    axes.plot(x, y, color="white", linewidth=4.0, alpha=0.8, solid_capstyle="round")
    axes.plot(x, y, color=ACCENT, linewidth=2.0, solid_capstyle="round")


def draw_ridge(axes: Axes, slice_: Slice, ridge: Ridge) -> None:
    """Draw the best learning rate of each row with its interval, the fitted line and the slope that
    is expected; hollow triangles are bounds, of rows whose best is at the edge."""
    for top in ridge.tops:
        if top.lr is None or top.y <= 0.0:
            continue
        if top.edge:
            mark = "v" if top.edge == LOW else "^"
            axes.plot(top.y, top.lr, mark, color=ACCENT, ms=7, mfc="white")
            continue
        low, high = top.interval or (top.lr, top.lr)
        reach = ([max(top.lr - low, 0.0)], [max(high - top.lr, 0.0)])
        axes.errorbar(top.y, top.lr, yerr=reach, color=ACCENT, fmt="o", ms=5.5, capsize=3, lw=1.4)
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
    axes.set_xlabel(f"{slice_.title} (log scale)")
    axes.set_ylabel(f"best {LR} (log scale)")
    clean_axes(axes)
    if axes.get_legend_handles_labels()[0]:
        is_rising = (ridge.slope or 0.0) >= 0.0
        axes.legend(frameon=False, fontsize=7.5, loc="upper left" if is_rising else "upper right")
    axes.set_title("best of each row, 95 % interval", fontsize=9, loc="left")


def draw_lines(axes: Axes, slice_: Slice, ridge: Ridge) -> None:
    """Draw the fitted line, and one of the expected slope through its middle."""
    assert ridge.slope is not None
    ends_of = np.array([ridge.fitted[0].y, ridge.fitted[-1].y])
    known = f" ({ends(ridge.interval)})" if ridge.interval else ""
    rates = [ridge.rate_at(y) for y in ends_of]
    axes.plot(ends_of, rates, color=ACCENT, linewidth=1.8, label=f"slope {ridge.slope:+.2f}{known}")
    expected = EXPECTED.get(slice_.key)
    if expected is not None:
        middle = 2.0 ** np.mean([math.log2(top.y) for top in ridge.fitted])
        line = ridge.rate_at(float(middle)) * (ends_of / middle) ** expected
        label = f"slope {expected:+d}:\n{invariant(slice_, expected)}\nis constant"
        axes.plot(ends_of, line, color=GREY, linewidth=1.2, linestyle="--", label=label)
