"""Heat maps of a metric over the learning rate and a second number, where runs form a grid."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.analysis._arms import Arm, higher_is_better
from trainer.analysis._labels import labels, varied_keys
from trainer.analysis.slices.grid import LR, GridCell, Slice, slice_of
from trainer.analysis.slices.ridge import Top, fit_of
from trainer.analysis.slices.verdict import sentence

FILLED = 0.7  # share of a grid's cells that must hold a run for a picture to be worth it


@dataclass(frozen=True)
class Square:
    """One cell of a heat map: its shade is 0 for the worst mean of the map, 1 for the best, None
    without a number."""

    cell: GridCell
    shade: float | None
    is_best: bool


@dataclass(frozen=True)
class HeatLine:
    """The squares of one second value, None where nothing ran, and its best lr in words."""

    y: float
    squares: tuple[Square | None, ...]
    best: str


@dataclass(frozen=True)
class HeatMap:
    """A grid of settings; its title is what they have in common, where there are other maps.

    Attributes:
        slice_: what it shows.
        lines: with their values descending, as they are drawn.
        ridge: what the best learning rates say.
    """

    title: str
    slice_: Slice
    lines: tuple[HeatLine, ...]
    ridge: str


def heat_maps(arms: Sequence[Arm], metric: str) -> list[HeatMap]:
    """Return a map for each set of arms that differ in the lr and a second number alone.

    The second is, of the numbers that differ, the one with most values.
    """
    trees = [arm.settings for arm in arms]
    keys = [k for k in varied_keys(trees) if all(is_number(t.get(k)) for t in trees if k in t)]
    others = [k for k in keys if k != LR]
    if LR not in keys or not others:
        return []
    y = max(others, key=lambda k: len({t.get(k) for t in trees}))
    facets: dict[str, list[Arm]] = defaultdict(list)
    for arm in arms:
        if y in arm.settings and arm.settings.get(LR, 0.0) > 0.0:
            facets[str(sorted((k, str(v)) for k, v in rest_of(arm, y).items()))].append(arm)
    groups = [group for group in facets.values() if is_grid(group, y)]
    groups = [group for group in groups if any(arm.values(metric) for arm in group)]
    titles = labels([rest_of(group[0], y) for group in groups])
    return [
        heat_map(slice_of(group, metric, y), title)
        for group, title in zip(groups, titles, strict=True)
    ]


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def rest_of(arm: Arm, y: str) -> dict[str, object]:
    """Return an arm's settings but for those that span the map."""
    return {k: v for k, v in arm.settings.items() if k not in (LR, y)}


def is_grid(arms: Sequence[Arm], y: str) -> bool:
    """Return whether arms fill most of at least two rows and two columns."""
    xs = {arm.settings[LR] for arm in arms}
    ys = {arm.settings[y] for arm in arms}
    return min(len(xs), len(ys)) >= 2 and len(arms) >= FILLED * len(xs) * len(ys)


def heat_map(slice_: Slice, title: str) -> HeatMap:
    ridge = fit_of(slice_)
    scores = [c.spread.mean for c in slice_.cells if c.spread.mean is not None]
    worst, best = min(scores), max(scores)
    if not higher_is_better(slice_.metric):
        worst, best = best, worst
    lines = []
    for line, top in zip(slice_.lines, ridge.tops, strict=True):
        squares: dict[float, Square] = {}
        for cell in line.cells:
            mean = cell.spread.mean
            shade = None if mean is None else abs((mean - worst) / ((best - worst) or 1.0))
            squares[cell.lr] = Square(cell, shade, cell.lr == top.column)
        row = tuple(squares.get(rate) for rate in slice_.rates)
        lines.append(HeatLine(line.y, row, best_text(top)))
    return HeatMap(title, slice_, tuple(reversed(lines)), sentence(slice_, ridge))


def best_text(top: Top) -> str:
    if top.lr is None:
        return ""
    if top.edge:
        return f"at {'most' if top.edge == 'lowest' else 'least'} {top.lr:.3g}"
    if top.interval is None:
        return f"{top.lr:.3g}"
    return f"{top.lr:.3g} ({top.interval[0]:.3g} to {top.interval[1]:.3g})"
