"""Arms against one of them: the numbers of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from trainer.analysis._arms import Arm, check_completed
from trainer.analysis._statistics import Correlation, Difference, correlation, holm, paired, welch
from trainer.core.errors import ConfigError
from trainer.record.spread import Spread


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
    corrected = iter(holm([p for p in chances if p is not None]))
    return tuple(
        replace(row, difference=replace(row.difference, p_holm=next(corrected)))
        if row.difference and row.difference.p is not None
        else row
        for row in rows
    )
