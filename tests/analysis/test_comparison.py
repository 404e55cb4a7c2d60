from dataclasses import replace

import pytest

from tests.analysis.runs import lr, made_run
from trainer.analysis._arms import Arm, arms_of
from trainer.analysis._statistics import paired, welch
from trainer.analysis.compare import compare, to_markdown
from trainer.core.errors import ConfigError, TrainerError

SCORES = {0.1: [0.50, 0.52, 0.54], 0.2: [0.60, 0.61, 0.65], 0.3: [0.51, 0.55, 0.53]}


def three_arms() -> list[Arm]:
    return arms_of(
        made_run(seed, top1, path=str(value), **lr(value))
        for value, scores in SCORES.items()
        for seed, top1 in enumerate(scores)
    )


def test_each_is_compared_with_the_first() -> None:
    first, second, third = compare(three_arms(), "val_top1").rows
    assert first.difference is None
    assert first.spread.mean == pytest.approx(0.52)
    expected = welch(SCORES[0.1], SCORES[0.2])
    assert second.difference is not None
    assert second.difference.mean == pytest.approx(0.10)
    assert second.difference.p == expected.p
    assert third.difference is not None
    assert expected.p is not None
    assert second.difference.p_holm == pytest.approx(2 * expected.p)
    assert third.difference.p_holm == third.difference.p


def test_the_baseline_can_be_named() -> None:
    comparison = compare(three_arms(), "val_top1", "optim.lr=0.2")
    assert [row.difference is None for row in comparison.rows] == [False, True, False]
    assert comparison.baseline.label == "optim.lr=0.2"
    first = comparison.rows[0].difference
    assert first is not None
    assert first.mean == pytest.approx(-0.10)


@pytest.mark.parametrize("words", ["optim.lr=7", "", "optim"])
def test_a_baseline_that_means_no_arm_is_refused(words: str) -> None:
    with pytest.raises(ConfigError, match=r"means 0 of the arms: optim\.lr=0\.1;"):
        compare(three_arms(), "val_top1", words)


def test_a_baseline_that_means_two_arms_is_refused() -> None:
    parts = [{"mix": {"name": m}, **lr(v)} for m in ("none", "mixup") for v in (0.1, 0.2)]
    arms = arms_of(made_run(0, 0.5, path=str(i), **part) for i, part in enumerate(parts))
    with pytest.raises(ConfigError, match="means 2 of the arms") as refusal:
        compare(arms, "val_top1", "mix=none")
    assert "mixup" not in str(refusal.value)  # only what it may mean is shown
    assert compare(arms, "val_top1", "mix=none optim.lr=0.2").baseline is arms[1]


def test_pairs_are_made_only_where_they_are_asked_for() -> None:
    arms = three_arms()
    assert [r.difference.is_paired for r in compare(arms, "val_top1").rows if r.difference] == [
        False
    ] * 2
    rows = compare(arms, "val_top1", is_paired=True).rows
    assert [r.difference.is_paired for r in rows if r.difference] == [True] * 2


def test_an_arm_without_numbers_stays_in_the_table() -> None:
    runs = [made_run(s, 0.5, path="a") for s in (0, 1)]
    runs += [made_run(s, 0.1, path="b", status="diverged", **lr(9.0)) for s in (0, 1)]
    _, lost = compare(arms_of(runs), "val_top1").rows
    assert (lost.spread.n, lost.spread.mean, lost.difference) == (0, None, None)
    assert len(lost.arm.diverged) == 2


def test_a_metric_that_no_run_has_is_refused() -> None:
    with pytest.raises(TrainerError, match="none of the runs completed with avg_val_top1"):
        compare(three_arms(), "avg_val_top1")


def test_pairs_are_made_where_seeds_go_together_and_nowhere_else() -> None:
    base = [0.50, 0.60, 0.52, 0.58, 0.55]
    together = [x + 0.02 + 0.001 * (-1) ** i for i, x in enumerate(base)]
    apart = [0.55, 0.56, 0.57, 0.55, 0.56]
    arms = [
        Arm(label, {}, tuple(made_run(seed, x) for seed, x in enumerate(numbers)))
        for label, numbers in {"base": base, "together": together, "apart": apart}.items()
    ]
    _, second, third = compare(arms, "val_top1", is_paired=None).rows
    assert second.difference is not None
    alone = paired(dict(enumerate(base)), dict(enumerate(together)))
    p_holm = 2 * (alone.p or 0.0)  # the smaller of two
    assert second.difference == replace(alone, p_holm=p_holm, factor=2)
    assert third.difference is not None
    assert not third.difference.is_paired
    text = to_markdown(compare(arms, "val_top1", is_paired=None))
    assert "(Welch's t; paired by seed, as the correlation is surely above 0: together)" in text
    lost = Arm("together", {}, arms[1].runs[1:])  # a seed is missing: nothing to pair it with
    assert not compare([arms[0], lost], "val_top1", is_paired=None).rows[1].difference.is_paired  # type: ignore[union-attr]


def test_an_arm_can_be_compared_with_another_than_the_baseline() -> None:
    arms = three_arms()
    found = compare(arms, "val_top1", against={"optim.lr=0.3": "optim.lr=0.2"})
    third = found.rows[2].difference
    assert third is not None
    assert third.mean == pytest.approx(0.53 - 0.62)
    assert "from `optim.lr=0.1`, of `optim.lr=0.3` from `optim.lr=0.2` (Welch's t)" in to_markdown(
        found
    )
