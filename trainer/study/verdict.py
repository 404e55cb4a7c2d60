"""What the numbers of a study allow to say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from trainer.analysis.compare import Arm, Comparison, ComparisonRow, Difference, difference_of
from trainer.core.units import counted
from trainer.study.runs import REPORTED, StudyRuns
from trainer.study.study import Range, Study, ranges

SHOWN, WITHIN, UNTOLD, NONE = "shown", "within the margin", "not told apart", "no verdict"
UNIT = "points of test accuracy"
LEVEL = 0.05  # of p, adjusted for all comparisons
EDGE = 0.05  # share of a range, at each of its ends


def verdict_of(found: Difference | None, margin: float) -> str:
    """Return what one difference shows: `SHOWN` where its adjusted interval leaves out 0, else
    `WITHIN` where the whole interval lies within the margin, else `UNTOLD`; `NONE` where too few
    runs completed.

    Args:
        found: the difference; None where one of the two has no number.
        margin: the difference that matters, in the same unit.
    """
    if found is None or found.adjusted is None:
        return NONE
    low, high, _ = found.adjusted
    if not low <= 0.0 <= high:
        return SHOWN
    return WITHIN if max(-low, high) <= margin else UNTOLD


def judged(
    claim: str, baseline: str, found: Difference | None, *, seeds: Sequence[int], margin: float
) -> str:
    """Return a sentence on one difference of accuracies.

    Args:
        claim: label of the arm that the difference is of.
        baseline: label of the arm that it is from.
        found: of shares; None where there is none.
        seeds: completed runs of the two.
        margin: the difference that matters, as a share.
    """
    many = f"{seeds[0]} seeds each" if len(set(seeds)) == 1 else f"{seeds[0]} and {seeds[1]} seeds"
    kind = verdict_of(found, margin)
    if found is None or found.adjusted is None:
        return f"No verdict: too few runs of {claim} or {baseline} completed ({many})."
    low, high, detectable = found.adjusted
    many = many if found.factor == 1 else f"adjusted for {found.factor} comparisons; {many}"
    signed = f"95 % interval {points(low, '+')} to {points(high, '+')}; {many}"
    if kind == SHOWN:
        near, far = sorted((abs(low), abs(high)))
        verb = "gains" if found.mean > 0 else "loses"
        return (
            f"{claim} {verb} {points(abs(found.mean))} {UNIT} against {baseline} "
            f"(95 % interval {points(near)} to {points(far)}; {many})."
        )
    if kind == WITHIN:
        reach = f"{100 * margin:g} point{'' if margin == 0.01 else 's'}"
        return (
            f"{claim} is within {reach} of {baseline} either way: {points(found.mean, '+')} {UNIT} "
            f"({signed})."
        )
    return (
        f"{claim} is not told apart from {baseline}: {points(found.mean, '+')} {UNIT} ({signed}); "
        f"a true difference of {points(detectable)} would be seen 4 times in 5."
    )


def points(share: float, sign: str = "") -> str:
    """Return a share in percent."""
    return f"{100.0 * share:{sign}.1f}" if abs(share) >= 0.0005 else f"{100.0 * share:{sign}.2f}"


def difference_text(found: Difference | None, middle: str = " (", end: str = ")") -> str:
    """Return a difference with its interval, adjusted for all that were looked at."""
    if found is None or found.adjusted is None:
        return ""
    low, high = (points(limit, "+") for limit in found.adjusted[:2])
    return f"{points(found.mean, '+')}{middle}{low} to {high}{end}"


def conclusions(runs: StudyRuns, comparison: Comparison) -> Iterator[str]:
    """Yield what can be said: of the claim, of the other arms, of tuning, and what to mistrust."""
    study = runs.study
    rows = {row.arm.label: row for row in comparison.rows}
    asked = list(dict.fromkeys((study.claim, *study.against)))
    for label in asked:
        mine, other = rows[label], rows[study.baseline_of(label)]
        seeds = [mine.spread.n, other.spread.n]
        yield judged(label, other.arm.label, mine.difference, seeds=seeds, margin=study.margin)
    if len(rows) > 2:
        baseline = "what it is compared with" if study.against else study.labels[0]
        yield all_differences_text(comparison, baseline)
    if runs.untuned:
        yield tuning_text(runs)
        yield from edges(runs)


def all_differences_text(comparison: Comparison, baseline: str) -> str:
    """Return which arms differ from the baseline once all comparisons are counted."""
    rows = [row for row in comparison.rows if row.difference and row.difference.adjusted]
    found = [row for row in rows if is_shown(row)]
    total = counted(len(rows), "comparison")
    adjusted = f"Adjusted for {total} (Holm, p < {LEVEL:g})"
    if not found:
        return f"{adjusted}, no arm is shown to differ from {baseline}."
    parts = ", ".join(f"{row.arm.label} {difference_text(row.difference)}" for row in found)
    rest = len(rows) - len(found)
    others = {0: "", 1: "; the other one is not shown to"}.get(
        rest, f"; the other {rest} are not shown to"
    )
    return f"{adjusted}, these differ from {baseline}, in points: {parts}{others}."


def is_shown(row: ComparisonRow) -> bool:
    """Return whether a row differs from the baseline, all comparisons counted."""
    return verdict_of(row.difference, 0.0) == SHOWN


def gains(runs: StudyRuns) -> list[Difference | None]:
    """Return what choosing values gave each arm over its defaults; None where one has no run."""
    found = []
    for tuned, untuned in zip(runs.tuned, runs.untuned, strict=True):
        before, after = untuned.values(REPORTED), tuned.values(REPORTED)
        found.append(difference_of(before, after) if before and after else None)
    return found


def tuning_text(runs: StudyRuns) -> str:
    """Return what tuning changed: the best arm with it and without, and the gains."""
    best, best_untuned = (best_of(arms) for arms in (runs.tuned, runs.untuned))
    parts = [
        f"{arm.label} {points(found.mean, '+')}"
        for arm, found in zip(runs.tuned, gains(runs), strict=True)
        if found
    ]
    same = "too" if best == best_untuned else f"but {best_untuned} with the defaults"
    return (
        f"The highest mean is {best}'s when tuned, {same}. Tuned less untuned, in points: "
        f"{', '.join(parts)}."
    )


def best_of(arms: tuple[Arm, ...]) -> str:
    """Return the arm with the highest mean."""
    means = {arm.label: arm.spread(REPORTED).mean for arm in arms}
    return max(means, key=lambda label: means[label] or 0.0)


def power_text(study: Study, comparison: Comparison | None = None) -> str:
    """Return whether there were as many seeds as were stated beforehand, and what they could have
    shown."""
    n, toy = study.seeds, " of a toy size" if study.is_toy else ""
    said = f"n={n}, as stated beforehand"
    if n < study.stated or study.is_toy:
        said = f"Below its stated power: n={n}{toy} where {study.stated} were stated beforehand"
    if comparison is None:
        return f"{said}."
    least = min(row.spread.n for row in comparison.rows)
    if least < n and said.startswith("n="):
        said = f"Below its stated power: of {n} seeds of an arm as few as {least} completed"
    found = [row.difference.adjusted for row in comparison.rows if row.difference]
    known = [points(one[2]) for one in sorted((f for f in found if f), key=lambda f: f[2])]
    if not known:
        return f"{said}; too few runs completed to say what they could have shown."
    span = " to ".join(dict.fromkeys((known[0], known[-1])))
    return f"{said}; the smallest differences that would have been found 4 times out of 5: {span}."


def edges(runs: StudyRuns) -> Iterator[str]:
    """Yield a warning for each chosen value near an end of the range that it was drawn from."""
    for label in runs.study.labels:
        chosen = dict(word.split("=", 1) for word in runs.values[label])
        for key, span in ranges(runs.study, label).items():
            share = share_of(span, float(chosen[key]))
            if not EDGE <= share <= 1.0 - EDGE:
                end = "lower" if share < 0.5 else "upper"
                yield (
                    f"Mistrust {label}: {key}={chosen[key]} lies at the {end} end of what was "
                    f"tried ({span[0]:g} to {span[1]:g}); a better value may lie beyond."
                )


def share_of(span: Range, number: float) -> float:
    """Return which share of a range lies below a number."""
    low, high, is_log = span
    if is_log:
        return math.log(number / low) / math.log(high / low)
    return (number - low) / (high - low)
