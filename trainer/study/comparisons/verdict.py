"""What the numbers of a comparison allow to say."""

from __future__ import annotations

import math
from collections.abc import Iterator

from trainer.analysis.compare import Arm, ComparisonRow, Difference, difference_of
from trainer.study.comparisons.spec import Range
from trainer.study.comparisons.stages import REPORTED, ComparisonResult
from trainer.study.demos.verdict import judged, points

LEVEL = 0.05  # of p, adjusted for all comparisons
EDGE = 0.05  # share of a range, at each of its ends


def conclusions(result: ComparisonResult) -> Iterator[str]:
    """Yield what can be said: of the claim, of the other arms, of tuning, and what to mistrust."""
    rows = {row.arm.label: row for row in result.comparison.rows}
    for label in (result.plan.claim, *(k for k in result.plan.against if k != result.plan.claim)):
        mine, other = rows[label], rows[result.plan.baseline_of(label)]
        seeds = [mine.spread.n, other.spread.n]
        yield judged(label, other.arm.label, mine.difference, seeds=seeds)
    yield all_differences_text(result)
    yield tuning_text(result)
    yield power_text(result)
    yield from edges(result)


def all_differences_text(result: ComparisonResult) -> str:
    """Return which arms differ from the baseline once all comparisons are counted."""
    rows = [row for row in result.comparison.rows if row.difference and row.difference.p_holm]
    found = [row for row in rows if is_shown(row)]
    total = len(rows)
    baseline = "what it is compared with" if result.plan.against else result.plan.labels[0]
    if not found:
        return (
            f"None of the {total} arms differs from {baseline} by more than seeds explain, "
            f"adjusted for {total} comparisons (Holm, p < {LEVEL:g})."
        )
    parts = ", ".join(
        f"{row.arm.label} ({points(row.difference.mean, '+')})" for row in found if row.difference
    )
    rest = total - len(found)
    others = {0: "", 1: "; the other one does not"}.get(rest, f"; the other {rest} do not")
    return (
        f"Adjusted for {total} comparisons (Holm, p < {LEVEL:g}), these differ from {baseline}: "
        f"{parts}{others}."
    )


def is_shown(row: ComparisonRow) -> bool:
    """Return whether a row differs from the baseline, all comparisons counted."""
    found = row.difference
    return found is not None and found.p_holm is not None and found.p_holm < LEVEL


def gains(result: ComparisonResult) -> list[Difference | None]:
    """Return what choosing values gave each arm over its defaults; None where one has no run."""
    found = []
    for tuned, untuned in zip(result.tuned, result.untuned, strict=True):
        before, after = untuned.values(REPORTED), tuned.values(REPORTED)
        found.append(difference_of(before, after) if before and after else None)
    return found


def tuning_text(result: ComparisonResult) -> str:
    """Return what tuning changed: the best arm with it and without, and the gains."""
    best, best_untuned = (best_of(arms) for arms in (result.tuned, result.untuned))
    parts = [
        f"{arm.label} {points(found.mean, '+')}"
        for arm, found in zip(result.tuned, gains(result), strict=True)
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


def power_text(result: ComparisonResult) -> str:
    """Return what so many seeds could have shown, and whether there were as many as were meant."""
    rows = result.comparison.rows
    n, least = result.plan.n, min(row.spread.n for row in rows)
    found = [row.difference.detectable for row in rows if row.difference]
    known = [one for one in found if one is not None]
    if not known:
        return f"Too few runs completed to say what {n} seeds could have shown."
    meant = f"n={n}, as stated beforehand"
    if n < result.plan.stated_n:
        meant = f"Below its stated power: n={n} where {result.plan.stated_n} were stated beforehand"
    elif least < n:
        meant = f"Below its stated power: of {n} seeds of an arm as few as {least} completed"
    low, high = points(min(known)), points(max(known))
    span = low if low == high else f"{low} to {high}"
    return f"{meant}; the smallest differences that would have been found 4 times out of 5: {span}."


def edges(result: ComparisonResult) -> Iterator[str]:
    """Yield a warning for each chosen value near an end of the range that it was drawn from."""
    for label in result.plan.labels:
        chosen = dict(word.split("=", 1) for word in result.values[label])
        for key, span in result.plan.ranges(label).items():
            share = share_of(span, float(chosen[key]))
            if not EDGE <= share <= 1.0 - EDGE:
                end = "lower" if share < 0.5 else "upper"
                yield (
                    f"Mistrust {label}: {key}={chosen[key]} lies at the {end} end of what was "
                    f"tried ({span.low:g} to {span.high:g}); a better value may lie beyond."
                )


def share_of(span: Range, number: float) -> float:
    """Return which share of a range lies below a number."""
    if span.is_log:
        return math.log(number / span.low) / math.log(span.high / span.low)
    return (number - span.low) / (span.high - span.low)
