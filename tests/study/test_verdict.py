"""What is said follows from the numbers, whichever sign they have: one of three verdicts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.study.studies import arm, result, tuned
from trainer.analysis.compare import Arm, compare, welch
from trainer.study.arms import compared
from trainer.study.runs import REPORTED
from trainer.study.spec import load
from trainer.study.study import changed
from trainer.study.verdict import (
    NONE,
    SHOWN,
    UNTOLD,
    WITHIN,
    all_differences_text,
    conclusions,
    edges,
    is_shown,
    judged,
    power_text,
    verdict_of,
)

LOW, HIGH = [0.70, 0.71, 0.72], [0.80, 0.81, 0.82]


def said(first: list[float], second: list[float], margin: float = 0.01) -> str:
    found = welch(first, second)
    seeds = (len(second), len(first))
    return judged("trick", "plain", found, seeds=seeds, margin=margin)


@pytest.mark.parametrize(
    ("first", "second", "margin", "verdict"),
    [
        # standard error 0.01 * sqrt(2/3) = 0.00816, t(0.975, 4) = 2.776: 10.0 +- 2.3 points
        (LOW, HIGH, 0.01, SHOWN),
        (HIGH, LOW, 0.01, SHOWN),
        (LOW, HIGH, 0.20, SHOWN),  # shown comes first where the interval lies within the margin
        # standard error 0.02 * sqrt(2/3) = 0.01633: 1.0 +- 4.53 points
        ([0.80, 0.82, 0.84], [0.81, 0.83, 0.85], 0.01, UNTOLD),
        ([0.80, 0.82, 0.84], [0.81, 0.83, 0.85], 0.055, UNTOLD),  # -3.5 to +5.53
        ([0.80, 0.82, 0.84], [0.81, 0.83, 0.85], 0.056, WITHIN),
        ([0.81, 0.83, 0.85], [0.80, 0.82, 0.84], 0.055, UNTOLD),  # the mirror image
        ([0.81, 0.83, 0.85], [0.80, 0.82, 0.84], 0.056, WITHIN),
        ([0.8, 0.8], [0.8, 0.8], 0.01, WITHIN),  # no spread, no difference
        ([0.8, 0.8], [0.81, 0.81], 0.05, SHOWN),
        ([0.8], [0.9, 0.9], 0.05, NONE),
    ],
)
def test_a_difference_has_one_of_three_verdicts_or_none(
    first: list[float], second: list[float], margin: float, verdict: str
) -> None:
    assert verdict_of(welch(first, second), margin) == verdict


def test_no_difference_no_verdict() -> None:
    assert verdict_of(None, 1.0) == NONE
    assert judged("a", "b", None, seeds=(0, 2), margin=0.01).startswith("No verdict: too few runs")


@pytest.mark.slow
@given(
    st.lists(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=5), min_size=2, max_size=6),
    st.floats(0.0, 0.5),
)
def test_an_adjusted_interval_leaves_out_0_just_where_holm_says_so(
    numbers: list[list[float]], margin: float
) -> None:
    arms = [arm(str(i), *mine) for i, mine in enumerate(numbers)]
    for row in compare(arms, REPORTED).rows[1:]:
        found = row.difference
        assert found is not None
        assert found.p_holm is not None
        assert found.adjusted is not None
        low, high, detectable = found.adjusted
        assert low <= found.mean <= high
        assert detectable >= 0.5 * (high - low)
        if abs(found.p_holm - 0.05) > 1e-9:  # where rounding decides
            assert is_shown(row) == (found.p_holm < 0.05)
            is_within = -margin <= low and high <= margin
            others = WITHIN if is_within else UNTOLD
            assert verdict_of(found, margin) == (SHOWN if found.p_holm < 0.05 else others)


def test_what_is_shown_has_its_size_and_either_sign() -> None:
    effect = "10.0 points of test accuracy against plain (95 % interval 7.7 to 12.3; 3 seeds each)."
    assert said(LOW, HIGH) == f"trick gains {effect}"
    assert said(HIGH, LOW) == f"trick loses {effect}"


def test_what_is_not_told_apart_says_what_would_be_seen() -> None:
    # (t(0.975, 4) = 2.776 + t(0.8, 4) = 0.941) * 0.01633 = 6.1 points
    assert said([0.80, 0.82, 0.84], [0.81, 0.83, 0.85]) == (
        "trick is not told apart from plain: +1.0 points of test accuracy (95 % interval -3.5 to "
        "+5.5; 3 seeds each); a true difference of 6.1 would be seen 4 times in 5."
    )


def test_what_is_within_the_margin_names_it() -> None:
    assert said([0.80, 0.82, 0.84], [0.81, 0.83, 0.85], 0.06) == (
        "trick is within 6 points of plain either way: +1.0 points of test accuracy (95 % interval "
        "-3.5 to +5.5; 3 seeds each)."
    )
    same = [0.8, 0.8]
    assert said(same, same).startswith("trick is within 1 point of plain either way: +0.00")


def test_an_interval_of_several_is_adjusted_and_says_so() -> None:
    arms = [arm("a", *LOW), arm("b", *HIGH), arm("c", *LOW)]
    second, third = (row.difference for row in compare(arms, REPORTED).rows[1:])
    assert second is not None
    assert third is not None
    assert (second.factor, third.factor) == (2, 1)  # the smallest p counts twice
    text = judged("b", "a", second, seeds=(3, 3), margin=0.01)
    # t(1 - 0.025 / 2, 4) = 3.495 times 0.00816: 10.0 +- 2.9
    assert "(95 % interval 7.1 to 12.9; adjusted for 2 comparisons; 3 seeds each)" in text


def test_conclusions_follow_the_numbers_in_either_direction() -> None:
    values = {"a": "0.01", "b": "0.001"}
    for first, second, verb in ((LOW, HIGH, "gains"), (HIGH, LOW, "loses")):
        runs = result(tuned(), {"a": first, "b": second}, values)
        found = list(conclusions(runs, compared(runs.study, runs.tuned)))
        assert found[0].startswith(f"b {verb} 10.0 points of test accuracy against a (95 % inter")
        assert "too. Tuned less untuned, in points: a +5.0, b +5.0." in found[1]
        assert len(found) == 2


def test_every_arm_that_is_shown_is_named_not_the_claimed_one_alone() -> None:
    arms = [
        Arm(name, {}, arm(name, *numbers).runs)
        for name, numbers in {"a": [0.5, 0.51], "b": [0.8, 0.81], "c": [0.5, 0.52]}.items()
    ]
    text = all_differences_text(compare(arms, REPORTED), "a")
    # t(1 - 0.025 / 2, 2) = 6.205 times the standard error 0.5 * sqrt(2) = 0.707: 30.0 +- 4.4
    assert text == (
        "Adjusted for 2 comparisons (Holm, p < 0.05), these differ from a, in points: b +30.0 "
        "(+25.6 to +34.4); the other one is not shown to."
    )
    text = all_differences_text(compare([arms[0], arms[2]], REPORTED), "a")
    assert text == ("Adjusted for 1 comparison (Holm, p < 0.05), no arm is shown to differ from a.")


def test_mixup_is_compared_at_each_weight_decay() -> None:
    study = load("mixup", "cpu")
    assert study.baseline_of("mixup 1e-4") == "none 1e-4"
    assert study.baseline_of("mixup 5e-4") == "none 5e-4"
    scores = ([0.9, 0.901], [0.8, 0.801], [0.5, 0.501], [0.7, 0.701])
    numbers = dict(zip(study.labels, map(list, scores), strict=True))
    runs = result(study, numbers, dict.fromkeys(study.labels, "0.1"))
    first, second = itertools.islice(conclusions(runs, compared(study, runs.tuned)), 2)
    assert first.startswith("mixup 5e-4 loses 10.0 points of test accuracy against none 5e-4")
    assert second.startswith("mixup 1e-4 gains 20.0 points of test accuracy against none 1e-4")


def test_fewer_seeds_than_were_stated_are_said() -> None:
    values = {"a": "1", "b": "1"}

    def power(seeds: int | None, **numbers: list[float]) -> str:
        runs = result(changed(tuned(), seeds=seeds), numbers, values)
        return power_text(runs.study, compared(runs.study, runs.tuned))

    assert power(None, a=LOW, b=HIGH).startswith("n=3, as stated beforehand; the smallest")
    few = power(2, a=[0.7, 0.72], b=[0.7, 0.73])
    assert few.startswith("Below its stated power: n=2 where 3 were stated beforehand; ")
    lost = power(None, a=LOW, b=[0.7, 0.73])
    assert lost.startswith("Below its stated power: of 3 seeds of an arm as few as 2 completed; ")
    toy = tuned(scales={"smoke": {"toy": True, "seeds": 2}})
    assert power_text(toy) == (
        "Below its stated power: n=2 of a toy size where 3 were stated beforehand."
    )


def test_a_chosen_value_at_the_end_of_its_range_is_mistrusted() -> None:
    numbers = {"a": LOW, "b": LOW}
    # a twentieth of two decades is a factor of 1.26: 0.0012 and 0.083 lie within it, 0.0013 not
    assert list(edges(result(tuned(), numbers, {"a": "0.0013", "b": "0.001"}))) == []
    (low,) = edges(result(tuned(), numbers, {"a": "0.0012", "b": "0.001"}))
    assert low.startswith("Mistrust a: optim.lr=0.0012 lies at the lower end of what was tried")
    (high,) = edges(result(tuned(), numbers, {"a": "0.083", "b": "0.001"}))
    assert "upper end of what was tried (0.001 to 0.1)" in high
