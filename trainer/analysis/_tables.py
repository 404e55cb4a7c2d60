"""A comparison as CSV and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainer.analysis._arms import is_share
from trainer.analysis._comparison import Comparison, ComparisonRow
from trainer.analysis._labels import varied_keys
from trainer.analysis._statistics import POWER
from trainer.record.spread import Spread
from trainer.record.tables import csv_text, markdown_table

Columns = Mapping[str, Sequence[Any]]

HEADINGS = (
    "arm",
    "n",
    "mean",
    "sd",
    "difference",
    "95 % interval",
    "p",
    "p (Holm)",
    "detectable",
    "diverged",
    "failed",
)


def numbers_of(row: ComparisonRow) -> dict[str, float | int | None]:
    """Return a row's numbers by name; what does not apply is None."""
    found = row.difference
    return {
        "n": row.spread.n,
        "mean": row.spread.mean,
        "sd": row.spread.sd,
        "difference": found.mean if found else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "p": found.p if found else None,
        "p_holm": found.p_holm if found else None,
        "detectable": found.detectable if found else None,
        "diverged": len(row.arm.diverged),
        "failed": len(row.arm.failed),
        "repeated": row.arm.repeated,
    }


def to_csv(comparison: Comparison, more: Columns | None = None) -> str:
    """Return a line for each arm: the settings in which arms differ, then the numbers; accuracies
    are shares.

    Args:
        comparison: from `compare`.
        more: further columns, by heading: a value for each arm.
    """
    rows, further = comparison.rows, more or {}
    keys = varied_keys([row.arm.settings for row in rows])
    table: list[list[object]] = [["arm", *keys, *numbers_of(rows[0]), *further]]
    for place, row in enumerate(rows):
        values = [row.arm.settings.get(key, "") for key in keys]
        numbers = [*numbers_of(row).values(), *(column[place] for column in further.values())]
        table.append([row.arm.label, *values, *numbers])
    return csv_text(table)


def to_markdown(comparison: Comparison, more: Columns | None = None) -> str:
    """Return a table, and below it what its numbers are; accuracies in percent.

    Args:
        comparison: from `compare`.
        more: further columns, by heading: a text for each arm.
    """
    further = more or {}
    headings = [*HEADINGS, *further]
    rows = [
        [*cells(row, comparison.metric), *(str(column[place]) for column in further.values())]
        for place, row in enumerate(comparison.rows)
    ]
    below = (f"- {note}" for note in notes(comparison))
    return "\n".join([markdown_table(headings, rows), "", *below, ""])


def cells(row: ComparisonRow, metric: str) -> list[str]:
    found, interval = row.difference, ""
    if found is not None and found.low is not None:
        interval = f"{value_text(found.low, metric, '+')} to {value_text(found.high, metric, '+')}"
    return [
        row.arm.label,
        str(row.spread.n),
        value_text(row.spread.mean, metric),
        value_text(row.spread.sd, metric),
        value_text(found.mean if found else None, metric, "+"),
        interval,
        p_text(found.p if found else None),
        p_text(found.p_holm if found else None),
        value_text(found.detectable if found else None, metric),
        str(len(row.arm.diverged)),
        str(len(row.arm.failed)),
    ]


def value_text(value: float | None, metric: str, sign: str = "") -> str:
    """Return a number as a table shows it: accuracies in percent, with two decimals."""
    if value is None:
        return ""
    return f"{100 * value:{sign}.2f}" if is_share(metric) else f"{value:{sign}.4g}"


def p_text(p: float | None) -> str:
    """Return a probability as a table shows it."""
    if p is None:
        return ""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def test_text(comparison: Comparison) -> str:
    if comparison.is_paired is not None:
        return "paired by seed, Student's t" if comparison.is_paired else "Welch's t"
    pairs = [r.arm.label for r in comparison.rows if r.difference and r.difference.is_paired]
    if not pairs:
        return "Welch's t: no arm's correlation with it over seeds is surely above 0"
    return f"Welch's t; paired by seed, as the correlation is surely above 0: {', '.join(pairs)}"


def reference_text(comparison: Comparison) -> str:
    labels = [row.arm.label for row in comparison.rows]
    if len(labels) > 2 and comparison.against == dict(zip(labels[1:], labels, strict=False)):
        return "the row above"
    others = "".join(f", of `{a}` from `{b}`" for a, b in comparison.against.items())
    return f"`{comparison.baseline.label}`{others}"


def notes(comparison: Comparison) -> Iterator[str]:
    """Yield what a reader must know of the numbers, and of the runs that have none."""
    metric, rows = comparison.metric, comparison.rows
    unit = ", in percent" if is_share(metric) else ""
    yield f"{metric} at the end of completed runs{unit}; n counts seeds, sd is over them"
    judged = [row for row in rows if row.difference and row.difference.p is not None]
    if judged:
        test = test_text(comparison)
        yield (
            f"differences are from {reference_text(comparison)} ({test}); each interval is "
            f"of one comparison alone, p (Holm) is adjusted for all {len(judged)}"
        )
        yield (
            f"detectable: the true difference that these n would find with a power of "
            f"{100 * POWER:.0f} %: (t(0.975, df) + t({POWER:.2f}, df)) x standard error of the "
            "difference"
        )
    runs = [run for row in rows for run in row.arm.runs]
    lost = {
        "diverged: counted, not in the means": sum(len(row.arm.diverged) for row in rows),
        "failed or did not end: counted, not in the means": sum(
            len(row.arm.failed) for row in rows
        ),
        f"completed without {metric}": sum(len(row.arm.completed) - row.spread.n for row in rows),
        "left out: a later or finished run has their setting and seed": sum(
            row.arm.repeated for row in rows
        ),
    }
    yield from (f"{count} of the runs {what}" for what, count in lost.items() if count)
    commits = {str((run.summary.get("git") or {}).get("commit", ""))[:10] for run in runs} - {""}
    if len(commits) > 1:
        yield f"the runs are of {len(commits)} commits: {', '.join(sorted(commits))}"


NOTHING = "-"

MEGABYTE = 1e6

PLAIN = ("lr", "momentum", "loss_scale", "skipped_steps")  # set or counted, not measured

LEAST, MOST = 1e-3, 1e7  # what is nearer to 0, or farther from it, is written with an exponent


def heading(metric: str) -> str:
    """Return a metric with the unit in which a table shows it."""
    unit = " (%)" if is_share(metric) else " (MB)" if metric.endswith("bytes") else ""
    return f"{metric}{unit}"


def mean_and_sd(spread: Spread, metric: str) -> str:
    """Return a mean with its standard deviation, both with the same decimals.

    Accuracies are in percent with two decimals, memory is in megabytes; of whatever else is
    measured the mean has four digits, of seconds three.
    """
    if spread.mean is None:
        return NOTHING
    scale = 100.0 if is_share(metric) else 1.0 / MEGABYTE if metric.endswith("bytes") else 1.0
    form = form_of(scale * spread.mean, metric)
    sd = "" if spread.sd is None else f" sd {scale * spread.sd:{form}}"
    return f"{scale * spread.mean:{form}}{sd}"


def form_of(mean: float, metric: str) -> str:
    """Return how a metric's numbers are written beside such a mean."""
    if is_share(metric):
        return ".2f"
    if metric in PLAIN or mean == 0.0 or not math.isfinite(mean):
        return ".4g"
    digits = 3 if metric.endswith(("seconds", "_s")) and metric != "images_per_s" else 4
    if not LEAST <= abs(mean) < MOST:
        return f".{digits - 1}e"
    return f".{max(0, digits - 1 - math.floor(math.log10(abs(mean))))}f"


def setting_texts(values: Sequence[Any]) -> list[str]:
    """Return values of a setting with as few digits, four at least, as tell them apart."""
    for digits in (4, 6, 9):
        texts = [f"{v:.{digits}g}" if isinstance(v, float) else str(v) for v in values]
        if len(set(texts)) == len({str(v) for v in values}):
            return texts
    return [str(v) for v in values]
