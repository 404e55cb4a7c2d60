"""Settings compared over seeds: means, differences and what they are worth; CSV and Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trainer.analysis._arms import Arm, arms_of, check_completed, is_share, notes_on, trained
from trainer.analysis._labels import varied_keys
from trainer.analysis._pictures import arms_figure, draw_curves, draw_finals, title_of
from trainer.analysis._statistics import (
    POWER,
    Correlation,
    Difference,
    correlation,
    holm,
    holm_factors,
    paired,
    welch,
)
from trainer.analysis._tables import p_text, value_text
from trainer.core.errors import ConfigError
from trainer.record.spread import Spread
from trainer.record.tables import csv_text, markdown_table

# what others need of the modules below
__all__ = ["Arm", "Difference", "arms_figure", "arms_of", "draw_curves", "draw_finals", "paired"]
__all__ += ["title_of", "trained", "value_text", "welch"]

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


@dataclass(frozen=True)
class ComparisonRow:
    """One arm in a comparison.

    Attributes:
        arm: its runs.
        spread: of the completed runs' final numbers.
        difference: from the baseline; None for the baseline itself, and where one of the two has
            no number.
        correlation: with the baseline over seeds; None for the baseline itself.
    """

    arm: Arm
    spread: Spread
    difference: Difference | None = None
    correlation: Correlation | None = None


@dataclass(frozen=True)
class Comparison:
    """Arms compared with one of them.

    Attributes:
        metric: what is compared.
        baseline: the arm that the others are compared with.
        is_paired: whether that was done seed by seed; None: for each arm by what was measured.
        rows: one for each arm, in their order.
        against: labels of the arms that are compared with another than the baseline, each with the
            other's.
    """

    metric: str
    baseline: Arm
    is_paired: bool | None
    rows: tuple[ComparisonRow, ...]
    against: Mapping[str, str] = field(default_factory=dict)


def compare(
    arms: Sequence[Arm],
    metric: str,
    baseline: str | None = None,
    *,
    is_paired: bool | None = False,
    against: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare each arm with the first, or with the one that is named.

    Args:
        arms: from `arms_of`.
        metric: one of `METRICS`.
        baseline: words of the arm to compare with.
        is_paired: compare seed by seed; None: where seeds agree and the measured correlation of the
            two arms justifies it.
        against: other arms to compare with, by label of the arm that is compared.

    Raises:
        ConfigError: if no arm, or more than one, is meant by `baseline`, or seeds do not match.
        TrainerError: if no completed run has the metric.
    """
    check_completed(arms, metric)
    first = arms[0] if baseline is None else named(arms, baseline)
    numbers = {arm.label: arm.values(metric) for arm in arms}
    rows = []
    for arm in arms:
        values, others = numbers[arm.label], numbers[(against or {}).get(arm.label, first.label)]
        row = ComparisonRow(arm, Spread.of(list(values.values())))
        if arm is not first and values and others:
            found = difference_of(others, values, is_paired)
            row = replace(row, difference=found, correlation=correlation(others, values))
        rows.append(row)
    return Comparison(metric, first, is_paired, adjusted(rows), against or {})


def difference_of(
    first: Mapping[int, float], second: Mapping[int, float], is_paired: bool | None = None
) -> Difference:
    """Return the difference of two kinds of numbers by seed; see `compare` for `is_paired`."""
    if is_paired is None:
        is_paired = set(first) == set(second) and correlation(first, second).justifies_pairs
    if is_paired:
        return paired(first, second)
    return welch(list(first.values()), list(second.values()))


def named(arms: Sequence[Arm], words: str) -> Arm:
    """Return the arm whose label is `words`, else the only one that has all of them."""
    wanted = set(words.split())
    found = [arm for arm in arms if arm.label == words]
    found = found or [arm for arm in arms if wanted and wanted <= set(arm.label.split())]
    if len(found) != 1:
        known = "; ".join(arm.label for arm in found or arms)
        raise ConfigError(f"baseline '{words}' means {len(found)} of the arms: {known}")
    return found[0]


def adjusted(rows: Sequence[ComparisonRow]) -> tuple[ComparisonRow, ...]:
    """Return rows with p adjusted for the number of differences that have one."""
    chances = [row.difference.p for row in rows if row.difference]
    known = [p for p in chances if p is not None]
    corrected = iter(zip(holm(known), holm_factors(known), strict=True))
    found = []
    for row in rows:
        if row.difference and row.difference.p is not None:
            p_holm, factor = next(corrected)
            row = replace(row, difference=replace(row.difference, p_holm=p_holm, factor=factor))
        found.append(row)
    return tuple(found)


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
    """Return a line for each arm: the settings in which arms differ, the numbers, and further
    columns by heading; accuracies are shares."""
    rows, further = comparison.rows, more or {}
    keys = varied_keys([row.arm.settings for row in rows])
    table: list[list[object]] = [["arm", *keys, *numbers_of(rows[0]), *further]]
    for place, row in enumerate(rows):
        values = [row.arm.settings.get(key, "") for key in keys]
        numbers = [*numbers_of(row).values(), *(column[place] for column in further.values())]
        table.append([row.arm.label, *values, *numbers])
    return csv_text(table)


def to_markdown(comparison: Comparison, more: Columns | None = None) -> str:
    """Return a table, with further columns by heading, and below it what its numbers are;
    accuracies in percent."""
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
    yield from notes_on([row.arm for row in rows], metric)
