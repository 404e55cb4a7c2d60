import csv
import math
from pathlib import Path

import pytest

from tests.task.test_lr_range_fit import swept, valley
from trainer.task._lr_range_fit import find
from trainer.task._lr_range_report import figure_of, results, suggestion, suggestions, write_csv

SWEEP = swept([*valley(), math.inf], diverged=True)
FOUND = find(SWEEP, 3)
FLAT = swept([2.3] * 50)


def test_the_chosen_rule_comes_first_and_both_are_told() -> None:
    first, second = suggestions(FOUND, "minimum_tenth")
    assert first.startswith(f"suggests  lr {suggestion(FOUND, 'minimum_tenth'):g}, a tenth of")
    assert second.startswith(
        f"beside    lr {suggestion(FOUND, 'steepest'):g}, where the loss falls"
    )
    falling = find(swept([2.3 - 0.02 * i for i in range(50)]), 3)
    assert suggestions(falling, "steepest") == [
        "suggests  nothing: the loss still fell at the end; raise task.max_lr"
    ]
    assert suggestions(find(FLAT, 3), "steepest") == [
        "suggests  nothing: the loss did not fall beyond its scatter; raise task.max_lr, or "
        "task.steps"
    ]


def test_the_summary_holds_what_was_found() -> None:
    found = results(SWEEP, FOUND, "steepest")
    assert found["suggestion"] == float(f"{FOUND.steepest:.2g}")
    assert found["diverged_at"] == SWEEP.lrs[-1]
    assert results(FLAT, find(FLAT, 3), "steepest") == {"rule": "steepest"}


def test_the_csv_has_a_line_for_each_step(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", SWEEP, FOUND)
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["lr"]) for row in rows] == list(SWEEP.lrs)
    assert rows[-1]["smoothed"] == ""
    assert float(rows[3]["smoothed"]) == FOUND.smoothed[3]


@pytest.mark.parametrize("rule", ["steepest", "minimum_tenth"])
def test_the_picture_names_what_is_suggested(rule: str) -> None:
    (axes,) = figure_of(SWEEP, FOUND, rule, "words").axes
    texts = [t.get_text() for t in axes.get_legend().get_texts()]
    assert [t.split(":")[0] for t in texts if t.endswith("(suggested)")] == [rule]
    assert f"the loss leaves: {SWEEP.lrs[-1]:.2g}" in texts
    assert axes.get_xscale() == "log"
    assert list(axes.lines[0].get_ydata()) == list(SWEEP.losses)


def test_a_flat_sweep_can_be_drawn() -> None:
    (axes,) = figure_of(FLAT, find(FLAT, 3), "steepest", "").axes
    assert len(axes.lines) == 2
