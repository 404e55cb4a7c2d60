"""What a fitted ridge says, and whether it is worth believing."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trainer.analysis._arms import notes_on
from trainer.analysis._tables import points_text, value_text
from trainer.analysis.slices.grid import LR, MOMENTUM, Line, Slice
from trainer.analysis.slices.ridge import Ridge, Top
from trainer.record.tables import markdown_table

# "How to train your ResNet, part 5", myrtle.ai: the slopes that are expected.
EXPECTED = {"batch_size": 1, MOMENTUM: 1, "optim.weight_decay": -1}

FEWEST_OCTAVES = 4.0

FEWEST_LINES = 3  # two lie on a straight line whatever they are

WIDEST = 0.25  # half of the interval


@dataclass(frozen=True)
class Check:
    """Whether something holds that must for a fit to be worth believing: what was found, and
    needed."""

    holds: bool
    found: str
    needed: str


def checks_of(slice_: Slice, ridge: Ridge) -> list[Check]:
    """Return what must hold for the fit to be worth believing, and whether it does. A row whose
    value is not above 0 has no place in a fit and does not count against it. A best whose interval
    reaches the edge is not known to be inside, and makes the slope's interval look narrower than it
    is, since no draw goes further."""
    rows = [top for top in ridge.tops if top.y > 0.0]
    lines = zip(slice_.lines, ridge.tops, strict=True)
    inside = [top for line, top in lines if top.is_fitted and not reaches_edge(line, top)]
    fitted, interval = ridge.fitted, ridge.interval
    half = None if interval is None else 0.5 * (interval[1] - interval[0])
    return [
        Check(
            len(inside) == len(rows),
            f"the best {LR} is, with its interval, inside the range in {len(inside)} of "
            f"{len(rows)} rows",
            "in all",
        ),
        Check(
            ridge.octaves >= FEWEST_OCTAVES - 1e-6 and len(fitted) >= FEWEST_LINES,
            f"the {len(fitted)} that are fitted span {ridge.octaves:.1f} octaves of {slice_.title}",
            f"at least {FEWEST_OCTAVES:g}, with {FEWEST_LINES} rows",
        ),
        Check(
            half is not None and half <= WIDEST,
            f"half the slope's interval is {'unknown' if half is None else f'{half:.2f}'}",
            f"at most {WIDEST}",
        ),
    ]


def is_believable(checks: Sequence[Check]) -> bool:
    return all(check.holds for check in checks)


def invariant(slice_: Slice, slope: float) -> str:
    """Return what stays constant along a ridge of a slope, as a formula."""
    power = f"{abs(slope):.3g}"
    base = f"({slice_.title})" if " " in slice_.title else slice_.title
    raised = base if power == "1" else f"{base}^{power}"
    if power == "0":
        return LR
    return f"{LR} {'/' if slope > 0 else '*'} {raised}"


def sentence(slice_: Slice, ridge: Ridge) -> str:
    """Return the slope with its interval, what it implies, and whether it is worth believing."""
    seeds = sorted({len(cell.values) for cell in slice_.cells if cell.is_whole})
    counted = f"{' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))}" if seeds else "no"
    many = f"{counted} seed{'' if counted == '1' else 's'} in each of {len(slice_.cells)} cells"
    if ridge.slope is None:
        return (
            f"No ridge: {len(ridge.fitted)} of {len(ridge.tops)} rows have their best {LR} inside "
            f"the range, and a slope needs two ({many})."
        )
    interval = ridge.interval
    known = "no interval" if interval is None else f"95 % interval {ends(interval)}"
    found = (
        f"The best {LR} goes with {slice_.title} to the power {ridge.slope:+.2f} ({known}; {many})"
    )
    checks = checks_of(slice_, ridge)
    worth = (
        "The fit is worth believing."
        if is_believable(checks)
        else "Not yet worth believing: "
        + "; ".join(f"{c.found} (needed: {c.needed})" for c in checks if not c.holds)
        + "."
    )
    return f"{found}: {agreement(slice_, ridge)}. {worth}"


def ends(interval: tuple[float, float]) -> str:
    return f"{interval[0]:+.2f} to {interval[1]:+.2f}"


def agreement(slice_: Slice, ridge: Ridge) -> str:
    """Return what a slope keeps constant, beside what is expected of the key."""
    assert ridge.slope is not None
    expected, interval = EXPECTED.get(slice_.key), ridge.interval
    if expected is None or interval is None:
        return f"along the ridge {invariant(slice_, ridge.slope)} is constant"
    rule = f"{expected:+d}, at which {invariant(slice_, expected)} is constant"
    none = ", but not told apart from 0" if interval[0] <= 0.0 <= interval[1] else ""
    if interval[0] <= expected <= interval[1]:
        return f"agrees with {rule}{none}"
    return f"{'above' if interval[0] > expected else 'below'} {rule}{none}"


def notes(slice_: Slice, ridge: Ridge) -> Iterator[str]:
    """Yield what a reader must know of a fit and of the runs."""
    if ridge.by_seed is not None:
        yield f"slope over draws of seeds: {ends(ridge.by_seed)}"
    if ridge.by_line is not None:
        yield f"slope over draws of rows: {ends(ridge.by_line)}; the interval covers both"
    for line, top in zip(slice_.lines, ridge.tops, strict=True):
        where = f"{slice_.title}={top.y:g}"
        if top.lr is None:
            yield f"{where} left out of the fit: no {LR} at which no run diverged"
        elif top.edge:
            word = "at most" if top.edge == "lowest" else "at least"
            yield (
                f"{where} left out of the fit: its best {LR} is {word} about {top.lr:g}, the "
                f"{top.edge} of its range"
            )
        elif top.y <= 0.0:
            yield f"{where} left out of the fit: it has no logarithm"
        elif reaches_edge(line, top):
            yield f"{where}: the interval of its best {LR} reaches the end of its range"
    if ridge.along is not None:
        change = points_text(ridge.along, slice_.metric)
        yield f"{slice_.metric} changes by {change} along the ridge over 4x"
    if ridge.across is not None:
        yield f"{slice_.metric} loses {points_text(ridge.across, slice_.metric)} at 4x beside it"
    cells = [cell.arm for cell in slice_.cells]
    yield from notes_on(cells, slice_.metric, "their cells are marked and cannot be best")


def reaches_edge(line: Line, top: Top) -> bool:
    """Return whether an edge of a line's range is within the interval of its best."""
    low, high = top.interval or (math.inf, -math.inf)
    return low <= line.known[0].lr * 1.001 or high >= line.known[-1].lr / 1.001


def table_of(slice_: Slice, ridge: Ridge) -> str:
    """Return the slice in Markdown: for each row its cells and its best learning rate."""
    rates = slice_.rates
    heads = [f"{slice_.title} \\ {LR}", *(f"{rate:g}" for rate in rates), f"best {LR}"]
    rows = []
    for line, top in zip(reversed(slice_.lines), reversed(ridge.tops), strict=True):
        cells = {cell.lr: cell for cell in line.cells}
        texts = []
        for rate in rates:
            cell = cells.get(rate)
            mean = value_text(cell.spread.mean, slice_.metric) if cell else ""
            gone = f"{len(cell.arm.diverged)} diverged" if cell and cell.arm.diverged else ""
            bold = f"**{mean}**" if cell and top.column == rate else mean
            texts.append(" ".join(part for part in (bold, gone) if part))
        best = "" if top.lr is None else f"{top.lr:.3g}"
        if top.interval is not None:
            best += f" ({top.interval[0]:.3g} to {top.interval[1]:.3g})"
        texts.append(f"{best} {f'({top.edge})' if top.edge else ''}".strip())
        rows.append([f"{line.y:g}", *texts])
    return markdown_table(heads, rows, texts=0)
