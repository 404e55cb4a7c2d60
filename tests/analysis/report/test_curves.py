import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.runs import lr, made_run
from trainer.analysis._arms import arms_of
from trainer.analysis.report import _curves
from trainer.analysis.report._curves import curve_data, drawn_metrics, panel, thinned


def test_the_numbers_of_runs_in_percent_with_their_arm() -> None:
    arms = arms_of([made_run(0, 0.5, **lr(0.1)), made_run(0, 0.75, path="b", **lr(0.2))])
    found = curve_data(arms, "val_top1", ["a", "b"])
    second = next(run for run in found["runs"] if run["y"]["val_top1"][-1] == 75.0)
    assert second["x"] == [1.0, 2.0]
    assert second["y"]["val_top1"] == [37.5, 75.0]
    assert second["y"]["train_loss"] == [2.0, 1.0]
    assert found["arms"][second["arm"]]["label"] == "optim.lr=0.2"
    assert found["arms"][second["arm"]]["rank"] == 0
    assert found["first"] == ["val_top1", "train_loss"]
    assert "momentum" not in found["metrics"]


def test_what_is_not_finite_is_none_and_the_whole_is_json() -> None:
    run = made_run(0, 0.5)
    rows = (run.epochs[0], replace(run.epochs[1], train_loss=math.nan, val_loss=math.inf))
    found = curve_data(arms_of([replace(run, epochs=rows)]), "val_top1", ["a"])
    assert found["runs"][0]["y"]["train_loss"] == [2.0, None]
    assert found["runs"][0]["y"]["val_loss"] == [0.75, None]
    json.dumps(found, allow_nan=False)


def test_a_run_without_epochs_has_no_lines() -> None:
    run = replace(made_run(0, 0.5), epochs=())
    found = curve_data(arms_of([run]), "val_top1", ["a"])
    assert (found["metrics"], found["first"], found["runs"][0]["x"]) == ([], [], [])


def test_costs_are_not_drawn() -> None:
    run = made_run(0, 0.5)
    rows = tuple(replace(row, train_s=1.0, grad_norm=2.0) for row in run.epochs)
    found = drawn_metrics([replace(run, epochs=rows)])
    assert "train_s" not in found
    assert "grad_norm" in found


@pytest.mark.slow
@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(2, 50))
def test_thinned_curves_keep_both_ends_and_their_order(length: int, most: int) -> None:
    rows = made_run(0, 0.5, epochs=length).epochs
    kept = thinned(rows, most)
    assert len(kept) == min(length, most)
    assert (kept[0], kept[-1]) == (rows[0], rows[-1])
    assert [row.epoch for row in kept] == sorted({row.epoch for row in kept})


@pytest.mark.slow
def test_many_long_runs_are_thinned() -> None:
    runs = [made_run(seed, 0.5, epochs=2000) for seed in range(40)]
    found = curve_data(arms_of(runs), "val_top1", [str(i) for i in range(40)])
    drawn = sum(len(run["x"]) * (1 + len(run["y"])) for run in found["runs"])
    assert 0.9 * _curves.MOST_NUMBERS < drawn <= _curves.MOST_NUMBERS


@pytest.mark.slow
def test_a_panel_has_both_axes_over_the_same_epochs() -> None:
    text = json.dumps(panel(8.0))
    for name in ("linear", "log", "seeds", "means", "bands", "ends", "epochs"):
        assert text.count(f'"name": "{name}"') == 1, name
    assert "LogScale" in text
    assert "bokeh.org" not in text


@pytest.mark.slow
def test_ticks_are_whole_epochs_where_there_is_one() -> None:
    assert json.dumps(panel(3.0)).count('"min_interval": 1.0') == 2  # linear and log
    assert "min_interval" not in json.dumps(panel(0.5))
