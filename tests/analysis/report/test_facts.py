import math
from dataclasses import replace

import pytest

from tests.analysis.runs import lr, made_run
from trainer.analysis._arms import arms_of
from trainer.analysis.report._facts import (
    MOST_VALUES,
    best_ones,
    common,
    differing,
    notes,
    pooled,
    seeds_text,
    statuses,
)
from trainer.record.spread import Spread


def test_the_best_of_each_data_set() -> None:
    runs = [
        made_run(seed, top1, path=f"{data}{value}", data={"name": data}, **lr(value))
        for data, value, scores in (
            ("digits", 0.1, (0.50, 0.52)),
            ("digits", 0.2, (0.60, 0.64)),
            ("mnist", 0.1, (0.97,)),
        )
        for seed, top1 in enumerate(scores)
    ]
    digits, mnist = best_ones(arms_of(runs), "val_top1")
    assert (digits.data, digits.label, digits.n) == ("digits", "optim.lr=0.2 data=digits", 2)
    assert digits.value == "62.00 \u00b1 2.83 %"
    assert digits.several == 2
    assert digits.noise == "2.24 points"  # root of the mean of 1.41 ** 2 and 2.83 ** 2
    assert (mnist.value, mnist.n, mnist.noise) == ("97.00 %", 1, None)


def test_nothing_is_best_where_nothing_completed() -> None:
    assert best_ones(arms_of([made_run(0, 0.5, status="failed")]), "val_top1") == []


def test_spreads_are_pooled_by_their_degrees_of_freedom() -> None:
    found = pooled([Spread(0.0, 1.0, 2), Spread(0.0, 2.0, 4), Spread(0.0, None, 1)])
    assert found == pytest.approx(math.sqrt((1 * 1.0 + 3 * 4.0) / 4))
    assert pooled([Spread(0.0, None, 1)]) is None


def test_counts() -> None:
    runs = [made_run(i, 0.5, status=s) for i, s in enumerate(("failed", "diverged", "completed"))]
    assert statuses([*runs, *runs[:1]]) == [("completed", 1), ("diverged", 1), ("failed", 2)]
    assert seeds_text(arms_of(runs)) == "3 seeds each"
    assert seeds_text(arms_of(runs[:1])) == "1 seed each"
    more = made_run(0, 0.5, path="b", **lr(0.2))
    assert seeds_text(arms_of([*runs, more])) == "1 to 3 seeds each"


def test_keys_that_differ_and_keys_that_do_not() -> None:
    runs = [made_run(s, 0.5, path=str(v), **lr(v)) for v in (0.1, 0.2) for s in (0, 1)]
    runs.append(made_run(0, 0.5, path="m", mix={"name": "mixup"}))
    found = {setting.key: setting.values for setting in differing(runs)}
    assert found == {
        "optim.lr": (("0.1", 3), ("0.2", 2)),
        "seed": (("0", 3), ("1", 2)),
        "mix.name": (("(absent)", 4), ("mixup", 1)),
    }
    assert common(runs) == [("name", "default"), ("optim.name", "sgd")]


def test_many_values_are_counted() -> None:
    found = differing([made_run(seed, 0.5) for seed in range(MOST_VALUES + 5)])
    assert [(s.key, len(s.values), s.more) for s in found] == [("seed", MOST_VALUES, 5)]


def test_notes_say_what_was_left_out_and_where_runs_are_from() -> None:
    runs = [made_run(0, 0.5), made_run(0, 0.5, path="again"), made_run(1, 0.5, commit="abad1dea")]
    runs.append(replace(made_run(2, 0.5), epochs=()))
    text = " ".join(notes(arms_of(runs), "val_top1", points=1))
    assert "by val_top1 at the end" in text
    assert "the greatest mean first" in text
    assert "1 of the runs left out" in text
    assert "1 of the runs completed without val_top1" in text
    assert "thinned to 1 points" in text
    assert "2 commits: abad1dea, c0ffee" in text
    assert "machines" not in text
    assert len(notes(arms_of(runs[:1]), "val_loss", points=9)) == 2
