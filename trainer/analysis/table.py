"""Any runs as a table: a row for each setting, means over its seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.analysis._arms import METRICS, Arm, check_completed, standing
from trainer.analysis._labels import label_keys
from trainer.analysis._tables import NOTHING, heading, mean_and_sd, setting_texts
from trainer.core.errors import unknown
from trainer.record.spread import Spread
from trainer.record.tables import csv_text, markdown_table

SHOWN = ("val_top1", "avg_val_top1", "test_top1", "test_avg_top1", "total_seconds")
NOTE = (
    "Mean and sd over the n seeds that completed; (n) where fewer of them have the number. "
    f"`{NOTHING}`: the setting has no such key, or none of its completed runs such a number."
)


@dataclass(frozen=True)
class Setting:
    """A row: the runs of an arm, and a spread of the completed ones for each metric."""

    arm: Arm
    spreads: tuple[Spread, ...]


@dataclass(frozen=True)
class ResultTable:
    """Settings and what they came to: columns of numbers, as few columns of settings as tell the
    rows apart, and the rows in the order in which they are shown."""

    metrics: tuple[str, ...]
    keys: tuple[str, ...]
    rows: tuple[Setting, ...]


def table_of(
    arms: Sequence[Arm], metrics: Sequence[str] | None = None, sort: str | None = None
) -> ResultTable:
    """Return the table of arms.

    Args:
        arms: from `arms_of`.
        metrics: of `METRICS`; left out, those of `SHOWN` that some run has.
        sort: the metric by which the best stands first, and what has none last; left out, arms stay
            in their order.

    Raises:
        ConfigError: if a metric is unknown.
        TrainerError: if one that is asked for is in no completed run.
    """
    wanted = [*(metrics or ()), *([sort] if sort else ())]
    for metric in wanted:
        if metric not in METRICS:
            raise unknown("metric", metric, METRICS)
        check_completed(arms, metric)
    found = [m for m in metrics or SHOWN if any(arm.values(m) for arm in arms)]
    if sort and sort not in found:
        found.append(sort)
    rows = [Setting(arm, tuple(arm.spread(m) for m in found)) for arm in arms]
    if sort:
        rows.sort(key=lambda row: standing(row.spreads[found.index(sort)].mean, sort))
    keys = dict.fromkeys(k for own in label_keys([arm.settings for arm in arms]) for k in own)
    return ResultTable(tuple(found), tuple(keys), tuple(rows))


def to_csv(table: ResultTable) -> str:
    """Return a line for each row: settings, counts, and mean, sd and n of each metric; accuracies
    are shares."""
    numbers = [f"{metric}{part}" for metric in table.metrics for part in ("", "_sd", "_n")]
    lines: list[list[object]] = [[*table.keys, "runs", "diverged", "failed", *numbers]]
    for row in table.rows:
        arm = row.arm
        values = [arm.settings.get(key, "") for key in table.keys]
        spreads = [v for s in row.spreads for v in (s.mean, s.sd, s.n)]
        counts = [len(arm.runs), len(arm.diverged), len(arm.failed)]
        lines.append([*values, *counts, *spreads])
    return csv_text(lines)


def to_markdown(table: ResultTable) -> str:
    """Return the table, mean and sd of each metric in one column; accuracies in percent. How many
    runs diverged or failed is told where some did."""
    arms = [row.arm for row in table.rows]
    ways = {"diverged": [len(a.diverged) for a in arms], "failed": [len(a.failed) for a in arms]}
    lost = {way: counts for way, counts in ways.items() if any(counts)}
    settings = [settings_column(arms, key) for key in table.keys]
    names = [key.removesuffix(".name") for key in table.keys]
    heads = [*names, "n", *map(heading, table.metrics), *lost]
    rows = []
    for place, (arm, row) in enumerate(zip(arms, table.rows, strict=True)):
        texts = [column[place] for column in settings]
        numbers = [
            cell(spread, metric, len(arm.completed))
            for spread, metric in zip(row.spreads, table.metrics, strict=True)
        ]
        counts = [str(column[place]) for column in lost.values()]
        rows.append([*texts, str(len(arm.completed)), *numbers, *counts])
    table_text = markdown_table(heads, rows, texts=len(names))
    return "\n".join([table_text, "", NOTE if lost else f"{NOTE} Every run in it completed.", ""])


def settings_column(arms: Sequence[Arm], key: str) -> list[str]:
    having = [arm for arm in arms if key in arm.settings]
    texts = iter(setting_texts([arm.settings[key] for arm in having]))
    return [next(texts) if key in arm.settings else NOTHING for arm in arms]


def cell(spread: Spread, metric: str, completed: int) -> str:
    """Return a mean with its sd, and n where it is not that of the row."""
    count = f" ({spread.n})" if spread.n not in (0, completed) else ""
    return f"{mean_and_sd(spread, metric)}{count}"
