"""What the numbers of two arms allow to say, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.analysis.compare import Arm, Difference, welch
from trainer.record.spread import Spread
from trainer.record.tables import markdown_table
from trainer.study.demos.spec import Demo

UNIT = "points of test accuracy"
NO_EFFECT = "No effect at this scale"


def against_first(demo: Demo, arms: Sequence[Arm]) -> list[Difference | None]:
    """Return each arm's difference from the first, None for the first and where one has no run
    that completed."""
    values = [numbers(demo, arms, i) for i in range(len(arms))]
    return [
        welch(values[0], mine) if i and mine and values[0] else None
        for i, mine in enumerate(values)
    ]


def numbers(demo: Demo, arms: Sequence[Arm], place: int) -> list[float]:
    """Return the final accuracies of an arm's completed runs, by seed."""
    return list(arms[place].values(demo.arms[place].metric).values())


def sentence(demo: Demo, arms: Sequence[Arm]) -> str:
    """Return what the claimed arm did against the first."""
    labels = [arm.label for arm in demo.arms]
    place = labels.index(demo.claim)
    difference = against_first(demo, arms)[place]
    seeds = [len(numbers(demo, arms, i)) for i in (place, 0)]
    return judged(demo.claim, labels[0], difference, seeds=seeds)


def judged(
    claim: str, baseline: str, difference: Difference | None, *, seeds: Sequence[int]
) -> str:
    """Return a sentence on one difference of accuracies: an effect if its 95 % interval leaves out
    0, and otherwise what so many seeds could have shown.

    Args:
        claim: label of the arm that the difference is of.
        baseline: label of the arm that it is from.
        difference: of shares; None where there is none.
        seeds: completed runs of the two.
    """
    counted = (
        f"{seeds[0]} seeds each" if len(set(seeds)) == 1 else f"{seeds[0]} and {seeds[1]} seeds"
    )
    if difference is None or difference.low is None or difference.high is None:
        return f"No verdict: too few runs of {claim} or {baseline} completed ({counted})."
    mean, low, high = difference.mean, difference.low, difference.high
    if low <= 0.0 <= high:
        return (
            f"{NO_EFFECT}: {claim} against {baseline} is {points(mean, '+')} {UNIT} "
            f"(95 % interval {points(low, '+')} to {points(high, '+')}; {counted}, which could "
            f"have shown {points(difference.detectable or 0.0)})."
        )
    near, far = sorted((abs(low), abs(high)))
    verb = "gains" if mean > 0 else "loses"
    return (
        f"{claim} {verb} {points(abs(mean))} {UNIT} against {baseline} "
        f"(95 % interval {points(near)} to {points(far)}; {counted})."
    )


def points(share: float, sign: str = "") -> str:
    """Return a share in percent."""
    return f"{100.0 * share:{sign}.1f}" if abs(share) >= 0.0005 else f"{100.0 * share:{sign}.2f}"


def table(demo: Demo, arms: Sequence[Arm]) -> str:
    """Return a line of Markdown for each arm: its words, and the numbers in percent."""
    heads = ["arm", "words", "n", "mean", "sd", "difference", "95 % interval", "detectable"]
    rows = []
    for place, difference in enumerate(against_first(demo, arms)):
        spread = Spread.of(numbers(demo, arms, place))
        shown = [f"{100 * v:.2f}" if v is not None else "" for v in (spread.mean, spread.sd)]
        cells = ["", "", ""]
        if difference is not None and difference.low is not None and difference.high is not None:
            interval = f"{points(difference.low, '+')} to {points(difference.high, '+')}"
            cells = [points(difference.mean, "+"), interval, points(difference.detectable or 0.0)]
        overrides = " ".join(demo.arms[place].overrides)
        lost = str(len(arms[place].diverged))
        rows.append([demo.arms[place].label, f"`{overrides}`", str(spread.n), *shown, *cells, lost])
    return markdown_table([*heads, "diverged"], rows, texts=2) + "\n"
