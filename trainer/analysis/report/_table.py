"""The tables of the report, a row for each setting and one for each run; how cells are written."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from trainer.analysis._arms import Arm, final, is_share, seed_of, standing
from trainer.analysis._labels import label_keys, overrides_text
from trainer.core.convert import typed
from trainer.record.runs import RunRow
from trainer.record.spread import Spread


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


EXTRA = ("best_val_top1", "test_top1", "test_avg_top1", "train_loss", "train_seconds")


def main_keys(arms: Sequence[Arm]) -> list[str]:
    """Return the keys that tell settings apart, those that are most in use first."""
    each = label_keys([arm.settings for arm in arms])
    counts: dict[str, int] = {}
    for keys, arm in zip(each, arms, strict=True):
        for key in keys:
            counts[key] = counts.get(key, 0) + (key in arm.settings)
    return sorted(counts, key=lambda key: -counts[key])


def places(arms: Sequence[Arm], metric: str) -> list[int]:
    """Return each arm's place among those of its data set, 0 for the best mean; those without a
    number come last. Scores on different images cannot be compared."""
    order = sorted(range(len(arms)), key=lambda i: standing(arms[i].spread(metric).mean, metric))
    found, counts = [0] * len(arms), dict.fromkeys(map(data_of, arms), 0)
    for i in order:
        found[i] = counts[data_of(arms[i])]
        counts[data_of(arms[i])] += 1
    return found


def data_of(arm: Arm) -> str:
    return str(arm.settings.get("data.name", ""))


def arms_table(arms: Sequence[Arm], metric: str, tested: str | None) -> ReportTable:
    """Return a row for each setting, by data set and then the best first; the mean of a second
    metric, `tested`, stands beside it where some run has it."""
    keys = main_keys(arms)
    ways = (
        ("diverged", "loss, gradient or weights ceased to be finite", [a.diverged for a in arms]),
        ("failed", "or did not end", [a.failed for a in arms]),
    )
    lost = [way for way in ways if any(way[2])]
    columns = [
        Column("#", hint=f"rank by mean {metric}, on its data set"),
        Column(heading("mean", metric), hint=f"of {metric} at the end of completed runs"),
        Column("sd", hint="sample standard deviation over seeds"),
        Column("n", hint="completed runs, one for each seed"),
        *(Column(key.removesuffix(".name"), "setting") for key in keys),
        Column("min"),
        Column("max"),
        *([Column(heading("mean", tested))] if tested else []),
        *(Column(what, hint=hint) for what, hint, _ in lost),
    ]
    rows = []
    place = places(arms, metric)
    for number in sorted(range(len(arms)), key=lambda i: (data_of(arms[i]), place[i])):
        arm, rank = arms[number], place[number] + 1
        values = list(arm.values(metric).values())
        spread = Spread.of(values)
        test = arm.spread(tested) if tested else None
        rows.append(
            TableRow(
                (
                    TableCell(str(rank), rank),
                    number_cell(spread.mean, metric),
                    number_cell(spread.sd, metric),
                    TableCell(str(spread.n), spread.n),
                    *(setting_cell(arm, key) for key in keys),
                    number_cell(min(values, default=None), metric),
                    number_cell(max(values, default=None), metric),
                    *([number_cell(test.mean, tested)] if test and tested else []),
                    *(
                        TableCell(str(n) if n else "", n)
                        for n in (len(f[number]) for _, _, f in lost)
                    ),
                ),
                number,
            )
        )
    return ReportTable(tuple(columns), tuple(rows))


def runs_table(arms: Sequence[Arm], metric: str, root: Path, page: Path) -> ReportTable:
    """Return a row for each run, in the order of arms and seeds; names begin at `root`, links at
    the folder of the page."""
    keys = main_keys(arms)
    runs = [run for arm in arms for run in arm.runs]
    extra = [m for m in EXTRA if m != metric and any(final(run, m) is not None for run in runs)]
    is_lost = any(run.status != "completed" for run in runs)
    columns = [
        Column("run", "text", "its folder"),
        Column(heading("", metric)),
        *(Column(key.removesuffix(".name"), "setting") for key in keys),
        Column("seed"),
        Column("status", "status"),
        Column("epochs"),
        *(Column(heading("", m)) for m in extra),
        *([Column("how it ended", "text", "where it did not complete")] if is_lost else []),
    ]
    rows: list[TableRow] = []
    for number, arm in enumerate(arms):
        for run in arm.runs:
            first, *others = (number_cell(final(run, m), m) for m in (metric, *extra))
            name = readable(os.path.relpath(run.path, root))
            cells = (
                TableCell(name, link=link_to(run.path, page)),
                first,
                *(setting_cell(arm, key) for key in keys),
                TableCell(str(seed_of(run)), seed_of(run)),
                TableCell(readable(run.status)),
                epochs_cell(run),
                *others,
                *([TableCell(reason(run), link=log_link(run, page))] if is_lost else []),
            )
            rows.append(TableRow(cells, number, filter_text(arm, run, name, keys), len(rows)))
    return ReportTable(tuple(columns), tuple(rows))


def reason(run: RunRow) -> str:
    """Return why a run did not complete, in the words it left."""
    if run.status == "completed":
        return ""
    if run.status == "unfinished":
        return "it has no summary: it still runs, or was killed"
    return readable(str(run.summary.get("message", "it left no message: see run.log")))


def log_link(run: RunRow, page: Path) -> str | None:
    return None if run.status == "completed" else link_to(run.path / "run.log", page)


def filter_text(arm: Arm, run: RunRow, name: str, keys: Sequence[str]) -> str:
    """Return what the filter finds a run by: `key=value` of what differs, and its folder."""
    setting = overrides_text(arm.settings, keys)
    return readable(f"{setting} seed={seed_of(run)} status={run.status} {name}".strip())
