"""Tables, and how their cells are written."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from trainer.analysis._arms import Arm, is_share
from trainer.core.convert import typed
from trainer.record.runs import RunRow


@dataclass(frozen=True)
class TableCell:
    """What stands in one place of a table: what is read, the number that is sorted by, where it
    leads."""

    text: str
    value: float | None = None
    link: str | None = None


@dataclass(frozen=True)
class Column:
    """A column's heading; its kind is `setting` (keys that differ), `number`, `text`, `status`."""

    title: str
    kind: str = "number"
    hint: str = ""


@dataclass(frozen=True)
class TableRow:
    """A row, with the numbers of its setting and its run, and the text that is filtered by."""

    cells: tuple[TableCell, ...]
    arm: int
    filter_text: str = ""
    run: int | None = None


@dataclass(frozen=True)
class ReportTable:
    """Columns and rows."""

    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]


def setting_cell(arm: Arm, key: str) -> TableCell:
    if key not in arm.settings:
        return TableCell("")
    value = arm.settings[key]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return TableCell(readable(typed(value)), float(value) if is_number else None)


def number_cell(value: float | None, metric: str) -> TableCell:
    """Return a number as people read it: accuracies in percent."""
    if value is None:
        return TableCell("")
    if is_share(metric):
        return TableCell(f"{100.0 * value:.2f}", value)
    return TableCell(f"{value:.1f}" if metric.endswith("seconds") else f"{value:.4g}", value)


def count_cell(count: int) -> TableCell:
    return TableCell(str(count) if count else "", count)


def epochs_cell(run: RunRow) -> TableCell:
    done = run.epochs[-1].epoch if run.epochs else 0.0
    return TableCell(f"{done:g}", done)


def heading(what: str, metric: str) -> str:
    """Return a column's title: the metric with its unit."""
    unit = " %" if is_share(metric) else " (s)" if metric.endswith("seconds") else ""
    return f"{what} {metric.removesuffix('_seconds')}{unit}".strip()


def link_to(path: Path, page: Path) -> str:
    """Return a path as a link from a page's folder: relative, so that both can move together."""
    relative = os.path.relpath(path, page)
    return "./" + quote(os.fsencode(Path(relative).as_posix()), safe="/")


def readable(text: str) -> str:
    """Return text that UTF-8 can hold: file names may have bytes that are none."""
    return os.fsencode(text).decode("utf-8", "replace")
