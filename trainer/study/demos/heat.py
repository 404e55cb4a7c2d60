"""A slice of two keys: accuracy in each cell, and how one key's best moves with the other."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trainer.analysis.compare import Arm, Spread
from trainer.study.demos import pictures, verdict
from trainer.study.demos.pictures import Shown
from trainer.study.demos.spec import Demo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Cells = Sequence[Sequence[float]]  # accuracy by row and column; 0 where the run diverged


def show(demo: Demo, arms: Sequence[Arm], facts: str) -> Shown:
    """Return a heat map with the best column of each row, and every seed's ridge beside it."""
    (row_key, rows), (column_key, columns) = demo.axes.items()
    down, across = [float(v) for v in rows], [float(v) for v in columns]
    seeds = [cells_of(arms, len(across), seed) for seed in range(len(arms[0].runs))]
    slopes = [slope(down, [best(row, across) for row in cells]) for cells in seeds]
    sentence = judged(row_key, column_key, slopes, len(arms))
    figure = pictures.framed(demo.title, sentence, facts)
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1.0))
    draw_map(left, demo.axes, mean_cells(seeds))
    draw_ridges(right, demo.axes, [[best(row, across) for row in cells] for cells in seeds])
    return Shown(sentence, figure, verdict.table(demo, arms))


def cells_of(arms: Sequence[Arm], width: int, seed: int) -> Cells:
    """Return one seed's accuracies; arms stand row by row."""
    numbers = [arm.values("test_top1").get(seed, 0.0) for arm in arms]
    return [numbers[i : i + width] for i in range(0, len(numbers), width)]


def mean_cells(seeds: Sequence[Cells]) -> list[list[float]]:
    """Return the mean over seeds in each cell."""
    return [
        [statistics.fmean(cell) for cell in zip(*rows, strict=True)]
        for rows in zip(*seeds, strict=True)
    ]


def best(row: Sequence[float], columns: Sequence[float]) -> float:
    """Return the column at which a row is highest: the top of the parabola through the highest
    cell and its two neighbours over the logarithm of evenly spaced columns; the cell itself at an
    edge."""
    i = max(range(len(row)), key=lambda k: row[k])
    if i in (0, len(row) - 1):
        return columns[i]
    low, top, high = row[i - 1 : i + 2]
    bend = low - 2.0 * top + high
    offset = 0.5 * (low - high) / bend if bend else 0.0
    step = math.log(columns[i + 1] / columns[i - 1]) / 2.0
    return columns[i] * math.exp(offset * step)


def slope(rows: Sequence[float], optima: Sequence[float]) -> float:
    """Return by how many doublings the optimum rises for each doubling of the row's value (least
    squares)."""
    x, y = [math.log2(v) for v in rows], [math.log2(v) for v in optima]
    return statistics.linear_regression(x, y).slope


def judged(row_key: str, column_key: str, slopes: Sequence[float], cells: int) -> str:
    """Return how the best column moves with the row, with the interval over seeds."""
    spread = Spread.of(slopes)
    counted = f"{spread.n} seeds in each of {cells} cells"
    if spread.mean is None or spread.half_width is None:
        return f"No verdict: too few seeds ({counted})."
    low, high = (2.0 ** (spread.mean + sign * spread.half_width) for sign in (-1.0, 1.0))
    factor = 2.0**spread.mean
    if low <= 1.0 <= high:
        return (
            f"{verdict.NO_EFFECT}: for each doubling of {row_key} the best {column_key} is "
            f"multiplied by {factor:.2f} (95 % interval {low:.2f} to {high:.2f}, which contains 1; "
            f"{counted})."
        )
    rule = "agrees with" if low <= 2.0 <= high else "falls short of" if high < 2 else "exceeds"
    return (
        f"For each doubling of {row_key} the best {column_key} is multiplied by {factor:.2f} "
        f"(95 % interval {low:.2f} to {high:.2f}; {counted}), which {rule} the linear rule's 2."
    )


def draw_map(axes: Axes, keys: Mapping[str, Sequence[str]], cells: Cells) -> None:
    """Draw the mean accuracies as colours and numbers, the best of each row framed."""
    from matplotlib.patches import Rectangle

    (row_key, rows), (column_key, columns) = keys.items()
    percent = [[100.0 * cell for cell in row] for row in cells]
    top = max(map(max, percent))
    floor = max(min(map(min, percent)), top - 30.0)  # or one diverged cell would hide the ridge
    axes.imshow(percent, cmap="viridis", aspect="auto", vmin=floor, vmax=top)
    for y, row in enumerate(percent):
        for x, cell in enumerate(row):
            ink = "white" if cell < floor + 0.65 * (top - floor) else "black"
            axes.text(x, y, f"{cell:.1f}", ha="center", va="center", fontsize=8, color=ink)
        x = max(range(len(row)), key=lambda k, row=row: row[k])  # type: ignore[misc]
        axes.add_patch(
            Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, fill=False, ec=pictures.CLAIM, lw=2.2)
        )
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel(column_key, fontsize=8)
    axes.set_ylabel(row_key, fontsize=8)
    axes.tick_params(labelsize=8, length=0)
    axes.spines[:].set_visible(False)
    pictures.heading(
        axes, "test accuracy at the end (%), mean of the seeds; framed: best of the row"
    )


def draw_ridges(
    axes: Axes, keys: Mapping[str, Sequence[str]], optima: Sequence[Sequence[float]]
) -> None:
    """Draw each seed's best column over rows, their geometric mean with its interval, and what the
    linear rule says."""
    (row_key, rows), (column_key, _) = keys.items()
    x = [float(row) for row in rows]
    for one in optima:
        axes.plot(x, one, "o", color=pictures.CLAIM, alpha=0.35, ms=5, mew=0)
    spreads = [Spread.of([math.log(v) for v in column]) for column in zip(*optima, strict=True)]
    means = [math.exp(s.mean or 0.0) for s in spreads]
    reach = [(s.half_width or 0.0) for s in spreads]
    below = [m - m * math.exp(-r) for m, r in zip(means, reach, strict=True)]
    above = [m * math.exp(r) - m for m, r in zip(means, reach, strict=True)]
    axes.errorbar(
        x, means, yerr=(below, above), color=pictures.CLAIM, fmt="D-", ms=5, capsize=3, label="best"
    )
    middle = math.exp(statistics.fmean(map(math.log, means)))
    centre = math.exp(statistics.fmean(map(math.log, x)))
    line = [middle * v / centre for v in x]
    axes.plot(x, line, "--", color=pictures.GREY, linewidth=1.2, label="linear rule")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(x, rows)
    axes.minorticks_off()
    axes.set_xlabel(row_key, fontsize=8)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    pictures.bare(axes)
    pictures.heading(axes, f"best {column_key}: seeds, mean, 95 % interval")
