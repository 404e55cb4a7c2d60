"""Arms against one of them: the numbers of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainer.analysis._arms import Arm
from trainer.analysis._difference import Difference, Spread, holm, paired, welch
from trainer.errors import ConfigError, TrainerError


@dataclass(frozen=True)
class Row:
    """One arm in a comparison.

    Attributes:
        arm: its runs.
        spread: of the completed runs' final numbers.
        difference: from the baseline; None for the baseline itself, and where one of the two has
            no number.
    """

    arm: Arm
    spread: Spread
    difference: Difference | None = None


@dataclass(frozen=True)
class Comparison:
    """Arms compared with one of them.

    Attributes:
        metric: what is compared.
        baseline: the arm that the others are compared with.
        is_paired: whether that was done seed by seed.
        rows: one for each arm, in their order.
    """

    metric: str
    baseline: Arm
    is_paired: bool
    rows: tuple[Row, ...]


def compare(
    arms: Sequence[Arm], metric: str, baseline: str | None = None, *, is_paired: bool = False
) -> Comparison:
    """Compare each arm with the first, or with the one that is named.

    Args:
        arms: from `arms_of`.
        metric: one of `METRICS`.
        baseline: words of the arm to compare with.
        is_paired: compare seed by seed.

    Raises:
        ConfigError: if no arm, or more than one, is meant by `baseline`, or seeds do not match.
        TrainerError: if no completed run has the metric.
    """
    if not any(arm.values(metric) for arm in arms):
        raise TrainerError(f"none of the runs completed with {metric}")
    first = arms[0] if baseline is None else named(arms, baseline)
    against = first.values(metric)
    rows = []
    for arm in arms:
        values, difference = arm.values(metric), None
        if arm is not first and values and against:
            difference = (
                paired(against, values)
                if is_paired
                else welch(list(against.values()), list(values.values()))
            )
        rows.append(Row(arm, Spread.of(list(values.values())), difference))
    return Comparison(metric, first, is_paired, adjusted(rows))


def named(arms: Sequence[Arm], words: str) -> Arm:
    """Return the arm whose label is `words`, else the only one that has all of them."""
    wanted = set(words.split())
    found = [arm for arm in arms if arm.label == words]
    found = found or [arm for arm in arms if wanted and wanted <= set(arm.label.split())]
    if len(found) != 1:
        known = "; ".join(arm.label for arm in arms)
        raise ConfigError(f"baseline '{words}' means {len(found)} of the arms: {known}")
    return found[0]


def adjusted(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return rows with p adjusted for the number of differences that have one."""
    chances = [row.difference.p for row in rows if row.difference]
    corrected = iter(holm([p for p in chances if p is not None]))
    return tuple(
        replace(row, difference=replace(row.difference, p_holm=next(corrected)))
        if row.difference and row.difference.p is not None
        else row
        for row in rows
    )
