"""The ridge of a slice: how the best learning rate moves with the second value, and how well that
is known.

A line's best learning rate is the top of the parabola through its highest mean over seeds and the
two beside it, over the logarithm of the learning rate. Seeds are averaged before the top is looked
for: a single run's highest cell moves with its noise. A cell with diverged runs cannot be the
highest; a highest cell beside one is taken as it stands, since nothing tells how the parabola goes
on. A line whose highest cell is the first or last that has a result is a bound on its best, not a
best: it is reported and left out of the fit, and so is a line whose value is not above 0.

The slope is that of least squares of log2(best learning rate) on log2(second value).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.analysis._arms import higher_is_better
from trainer.analysis.slices.grid import GridCell, Line, Slice
from trainer.record.spread import CONFIDENCE

Array = NDArray[np.float64]

Interval = tuple[float, float]

DRAWS = 4000

FEWEST_LINES = 5  # of which lines are drawn: of fewer, too many draws would repeat one line

LOW, HIGH = "lowest", "highest"


@dataclass(frozen=True)
class Top:
    """The best of one line.

    Attributes:
        y: the line's value.
        lr: the best learning rate, between the columns; None where no cell is free of diverged
            runs.
        height: the metric there.
        interval: of `lr`, over draws of seeds; None with one seed in each cell.
        edge: `lowest` or `highest` where the best is at that end of the line's range, else empty.
        column: the learning rate of the highest cell.
    """

    y: float
    lr: float | None = None
    height: float | None = None
    interval: Interval | None = None
    edge: str = ""
    column: float | None = None

    @property
    def is_fitted(self) -> bool:
        return self.lr is not None and not self.edge and self.y > 0.0


@dataclass(frozen=True)
class Ridge:
    """The fitted ridge; None is what too few lines or seeds do not allow to say.

    Attributes:
        tops: one for each line, ascending.
        slope: octaves of the best learning rate for each octave of the second value.
        offset: log2 of the best learning rate where the second value is 1.
        by_seed: the slope's 95 % interval over draws of the seeds of every cell.
        by_line: the same over draws of the lines.
        along: mean change of the metric along the ridge over two octaves.
        across: mean loss of the metric two octaves of the learning rate beside the ridge.
    """

    tops: tuple[Top, ...]
    slope: float | None = None
    offset: float | None = None
    by_seed: Interval | None = None
    by_line: Interval | None = None
    along: float | None = None
    across: float | None = None

    @property
    def fitted(self) -> list[Top]:
        return [top for top in self.tops if top.is_fitted]

    @property
    def octaves(self) -> float:
        """What the second value spans over the lines that count."""
        values = [top.y for top in self.fitted]
        return math.log2(max(values) / min(values)) if values else 0.0

    @property
    def interval(self) -> Interval | None:
        """The slope's 95 % interval: what covers both, where there are both."""
        found = [i for i in (self.by_seed, self.by_line) if i is not None]
        return (min(i[0] for i in found), max(i[1] for i in found)) if found else None

    def rate_at(self, y: float) -> float:
        """Return the fitted best learning rate; there must be a slope."""
        assert self.slope is not None
        assert self.offset is not None
        return float(2.0 ** (self.offset + self.slope * math.log2(y)))


def fit_of(slice_: Slice, draws: int = DRAWS) -> Ridge:
    """Return the ridge of a slice, with intervals by a bootstrap that always draws the same.

    Seeds are drawn within each cell, n - 1 of its n with replacement: of n they would vary too
    little by n - 1 in n, which with two seeds is half ("Resampling inference with complex survey
    data", J. N. K. Rao and C. F. J. Wu, JASA 83, 1988). It says how far other seeds would move the
    slope. Where at least five lines are fitted, these are drawn too, by themselves: it says how far
    they are from one straight line, for whatever reason (the columns' spacing, a ridge that bends).
    Their draws are stretched by sqrt(lines / (lines - 2)), by which the distances from a fitted
    line are too small. The interval that counts covers both. A draw whose best is at the edge
    keeps the edge.
    """
    sign = 1.0 if higher_is_better(slice_.metric) else -1.0
    generator = np.random.default_rng(0)
    tops, drawn = [], []
    for line in slice_.lines:
        top, logs = top_of(line, sign, generator, draws)
        tops.append(top)
        if top.is_fitted:
            drawn.append(logs)
    fitted = [top for top in tops if top.is_fitted]
    if len(fitted) < 2:
        return Ridge(tuple(tops))
    x = np.log2([top.y for top in fitted])
    y = np.log2([top.lr for top in fitted if top.lr is not None])
    slope = float(slopes(x, y))
    can_draw = any(len(c.values) > 1 for line in slice_.lines for c in line.cells)
    along, across = changes(slice_, fitted, sign)
    return Ridge(
        tuple(tops),
        slope,
        float(y.mean() - slope * x.mean()),
        between(slopes(x, np.stack(drawn, axis=-1))) if can_draw else None,
        between(by_lines(x, y, generator, draws)) if len(fitted) >= FEWEST_LINES else None,
        along,
        across,
    )


def top_of(
    line: Line, sign: float, generator: np.random.Generator, draws: int
) -> tuple[Top, Array]:
    """Return a line's best, and log2 of the best learning rate in each draw of its seeds."""
    cells = line.known
    if not any(cell.is_whole for cell in cells):
        return Top(line.y), np.empty(0)
    logs = np.log2([cell.lr for cell in cells])
    means = np.array(
        [sign * sum(c.values) / len(c.values) if c.is_whole else -np.inf for c in cells]
    )
    place, height, highest = (found[0] for found in vertices(logs, means[None, :]))
    at = np.stack([drawn_means(cell, sign, generator, draws) for cell in cells], axis=-1)
    places = vertices(logs, at)[0]
    can_draw = any(len(cell.values) > 1 for cell in cells if cell.is_whole)
    edge = LOW if highest == 0 else HIGH if highest == len(cells) - 1 else ""
    found = between(2.0**places) if can_draw and not edge else None
    column = cells[int(highest)].lr
    return Top(line.y, float(2.0**place), float(sign * height), found, edge, column), places


def drawn_means(cell: GridCell, sign: float, generator: np.random.Generator, draws: int) -> Array:
    """Return the mean of each draw of a cell's seeds; least of all where runs diverged."""
    if not cell.is_whole:
        return np.full(draws, -np.inf)
    values = sign * np.array(cell.values)
    size = max(len(values) - 1, 1)
    return np.asarray(values[generator.integers(len(values), size=(draws, size))].mean(axis=1))


def vertices(x: Array, rows: Array) -> tuple[Array, Array, NDArray[np.intp]]:
    """Return for each row of heights the place and height of its top, and the highest's index.

    Args:
        x: (columns,), ascending, in any spacing.
        rows: (rows, columns); -inf where a column cannot be the highest.
    """
    highest = rows.argmax(axis=1)
    here = np.arange(len(rows))
    middle = np.clip(highest, 1, max(len(x) - 2, 1))
    if len(x) < 3:
        return x[highest], rows[here, highest], highest
    a, b, c = (rows[here, middle + i] for i in (-1, 0, 1))
    left, right = x[middle] - x[middle - 1], x[middle + 1] - x[middle]
    with np.errstate(invalid="ignore", divide="ignore"):
        rise, fall = (b - a) / left, (c - b) / right
        bend = (fall - rise) / (left + right)  # half the second derivative
        tilt = (rise * right + fall * left) / (left + right)  # the derivative at the middle
        shift = -0.5 * tilt / bend
        gain = -0.25 * tilt**2 / bend
    is_inside = (highest == middle) & np.isfinite(shift) & np.isfinite(gain)
    place = np.where(is_inside, x[middle] + shift, x[highest])
    return place, rows[here, highest] + np.where(is_inside, gain, 0.0), highest


def slopes(x: Array, y: Array) -> Array:
    offsets = x - x.mean(axis=-1, keepdims=True)
    return np.asarray((offsets * y).sum(axis=-1) / (offsets**2).sum(axis=-1))


def by_lines(x: Array, y: Array, generator: np.random.Generator, draws: int) -> Array:
    """Return the slopes of draws of as many lines, of those draws with at least three different,
    stretched about the slope of all."""
    chosen = generator.integers(len(x), size=(2 * draws, len(x)))
    ordered = np.sort(chosen, axis=1)
    different = 1 + (np.diff(ordered, axis=1) != 0).sum(axis=1)
    chosen = chosen[different >= 3][:draws]
    stretch = math.sqrt(len(x) / (len(x) - 2))
    return np.asarray(slopes(x, y) + stretch * (slopes(x[chosen], y[chosen]) - slopes(x, y)))


def between(numbers: Array) -> Interval:
    rest = 0.5 * (1.0 - CONFIDENCE)
    low, high = np.quantile(numbers, [rest, 1.0 - rest])
    return float(low), float(high)


def changes(slice_: Slice, fitted: Sequence[Top], sign: float) -> tuple[float | None, float | None]:
    """Return the mean change of the metric along the ridge over four times the second value, and
    the mean loss at a fourth and at four times the best learning rate of a line; both between the
    cells by straight lines over logarithms, of what the ranges allow."""
    at = np.log2([top.y for top in fitted])
    heights = np.array([top.height for top in fitted], dtype=np.float64)
    reached = [i for i in range(len(at)) if at[i] + 2.0 <= at[-1] + 1e-9]
    along = [abs(np.interp(at[i] + 2.0, at, heights) - heights[i]) for i in reached]
    across = []
    lines = {line.y: [cell for cell in line.known if cell.is_whole] for line in slice_.lines}
    for top in fitted:
        rates = np.log2([cell.lr for cell in lines[top.y]])
        means = np.array([cell.spread.mean for cell in lines[top.y]], dtype=np.float64)
        for step in (-2.0, 2.0):
            place = math.log2(top.lr or 1.0) + step
            if rates[0] <= place <= rates[-1]:
                across.append(sign * ((top.height or 0.0) - np.interp(place, rates, means)))
    mean = [float(np.mean(found)) if found else None for found in (along, across)]
    return mean[0], mean[1]
