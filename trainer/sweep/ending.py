"""The table that ends a sweep on the screen: a row per setting, its scores over seeds, and how many
of its jobs diverged or have no result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from trainer.console import percent
from trainer.record import RunRow
from trainer.sweep.table import SCORES, Spread, Values, scores_of

Grid = list[list[str]]  # a heading and rows, all of the same length
COLUMNS = ("score", "mean", "sd", "se", "n", "diverged", "failed")
GAP = 2  # columns of the screen between two of the table


def results_table(values: Values, rows: Mapping[int, RunRow], width: int) -> Table:
    """Return the table over settings.

    Args:
        values: swept values of every job.
        rows: of the jobs that have a result; the others are told as failed.
        width: of the screen; where a column per key is too much for it, one column says it all.
    """
    keys = [k for k in next(iter(values.values())) if k != "seed"]
    groups: dict[tuple[str, ...], list[RunRow | None]] = {}
    for number, varied in values.items():
        groups.setdefault(tuple(varied[k] for k in keys), []).append(rows.get(number))
    shown = [s for s in SCORES if any(s in scores_of(row) for row in rows.values())]
    left: Grid = [short_names(keys) or ["all"]]
    right: Grid = [list(COLUMNS)]
    for setting, members in groups.items():
        lines = lines_of(members, shown or ["val_top1"])
        right += lines
        left += [list(setting) or ["runs"], *[[""] * len(left[0])] * (len(lines) - 1)]
    right = without_empty(right)
    if len(keys) > 1 and width_of(left) + width_of(right) - GAP > width:
        left = in_words(left, room=width - width_of(right))
    return drawn(left, right)


def short_names(keys: Sequence[str]) -> list[str]:
    """Return keys by their last part, such as `lr`, or by as many more as tell each from the others
    and from the table's own columns."""
    names = []
    for key in keys:
        others = [*(k for k in keys if k != key), *COLUMNS, "seed"]
        parts = key.split(".")
        endings = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
        unique = (e for e in endings if not any(f".{k}".endswith(f".{e}") for k in others))
        names.append(next(unique, key))
    return names


def lines_of(members: Sequence[RunRow | None], shown: Sequence[str]) -> Grid:
    """Return a line for each score of one setting's jobs; None stands for one without a result."""
    runs = [row for row in members if row is not None]
    counts = [str(sum(r.status == "diverged" for r in runs)), str(len(members) - len(runs))]
    lines = []
    for score in shown:
        numbers = [scores_of(row)[score] for row in runs if score in scores_of(row)]
        cells = ["", "", "", "0"]
        if numbers:
            spread = Spread.of(numbers)
            cells = [*map(percent, (spread.mean, spread.sd, spread.se)), str(spread.n)]
        lines.append([score, *cells, *counts])
        counts = ["", ""]
    return lines


def without_empty(grid: Grid) -> Grid:
    """Return a grid without the columns that say nothing, as the spread of single runs."""
    kept = [column for column in zip(*grid, strict=True) if any(column[1:])]
    return [list(row) for row in zip(*kept, strict=True)]


def width_of(grid: Grid) -> int:
    """Return the columns of a screen that a grid takes, with a gap after each."""
    return sum(max(map(cell_len, column)) + GAP for column in zip(*grid, strict=True))


def in_words(grid: Grid, room: int) -> Grid:
    """Return settings as one column of words, which may be broken between them; a word for which
    there is no room, between key and value, since half a number looks like a whole one."""
    heads, *settings = grid
    told = [[f"{h}={c}" for h, c in zip(heads, cells, strict=True) if c] for cells in settings]
    fitting = [[w if cell_len(w) <= room else w.replace("=", "= ", 1) for w in ws] for ws in told]
    return [["setting"], *([" ".join(words)] for words in fitting)]


def drawn(left: Grid, right: Grid) -> Table:
    """Return settings and numbers side by side; what is too long is broken, never cut."""
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for name in left[0]:
        table.add_column(Text(name), overflow="fold")
    for name in right[0]:
        table.add_column(Text(name), justify="left" if name == "score" else "right", no_wrap=True)
    for setting, numbers in zip(left[1:], right[1:], strict=True):
        table.add_row(*map(Text, (*setting, *numbers)))
    return table
