"""The trade-off figure, and the sweep that makes its runs."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.analysis.conftest import Answer
from tests.analysis.runs import lr, made_run, write_run
from tests.command import ROOT, TINY, Call
from trainer.analysis._arms import arms_of
from trainer.analysis.lr_tradeoff import TradeoffPoint, best_of, figure_of, to_csv, tradeoff
from trainer.core.errors import ConfigError, TrainerError
from trainer.record.runs import RunRow
from trainer.record.spread import Spread

pytestmark = pytest.mark.slow  # whole runs

SCORES = {0.01: (0.30, 0.32), 0.1: (0.80, 0.84), 1.0: (0.90, None), 10.0: (None, None)}


def runs() -> list[RunRow]:
    """Runs of four learning rates, three of which diverged."""
    return [
        made_run(
            seed,
            score or 0.1,
            path=f"{value:g}",
            status="completed" if score else "diverged",
            **lr(value),
        )
        for value, scores in reversed(SCORES.items())
        for seed, score in enumerate(scores)
    ]


def points() -> list[TradeoffPoint]:
    return tradeoff(arms_of(runs()), "val_top1")


def test_learning_rates_ascend_and_none_is_dropped() -> None:
    assert [point.lr for point in points()] == [0.01, 0.1, 1.0, 10.0]
    assert [len(point.values) for point in points()] == [2, 2, 1, 0]


def test_the_best_is_one_of_which_every_run_completed() -> None:
    best = best_of(points(), "val_top1")
    assert best is not None
    assert best.lr == 0.1
    by_loss = best_of(tradeoff(arms_of(runs()), "val_loss"), "val_loss")
    assert by_loss is not None
    assert by_loss.lr == 0.1
    assert best_of([points()[-1]], "val_top1") is None


def test_a_learning_rate_that_is_no_number_is_refused() -> None:
    made = [made_run(0, 0.5, path=str(i), optim={"lr": v}) for i, v in enumerate((0.1, "much"))]
    with pytest.raises(ConfigError, match=r"optim.lr must be a number in every run, got much"):
        tradeoff(arms_of(made), "val_top1")


def test_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(points()))))
    assert [row["lr"] for row in rows] == ["0.01", "0.1", "1.0", "10.0"]
    assert float(rows[1]["mean"]) == pytest.approx(0.82)
    assert float(rows[1]["sd"]) == pytest.approx(Spread.of([0.80, 0.84]).sd)
    assert [row["diverged"] for row in rows] == ["0", "0", "1", "2"]
    assert (rows[3]["n"], rows[3]["mean"], rows[3]["final_train_loss"]) == ("0", "", "")
    assert rows[0]["final_train_loss"] == "1.0"


def test_the_figure_shows_curves_and_every_final_number() -> None:
    curves, finals = figure_of(points(), "val_top1").axes
    means = [
        line for line in curves.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2
    ]
    assert [list(line.get_ydata()) for line in means] == [[2.0, 1.0]] * 3
    crosses = [line for line in curves.lines if line.get_marker() == "x"]
    assert len(crosses) == 3
    texts = [t.get_text() for t in finals.texts]
    assert texts == ["x\n1\ndiverged", "x\n2\ndiverged", "best mean: 0.1"]
    line = finals.lines[0]
    assert list(line.get_xdata()) == [0.01, 0.1, 1.0]
    assert list(line.get_ydata()) == pytest.approx([31.0, 82.0, 90.0])
    assert finals.get_xscale() == "log"


def test_a_loss_that_explodes_is_cut_off_and_said_to_be() -> None:
    wild = made_run(0, 0.1, path="9", **lr(9.0))
    rows = tuple(replace(row, train_loss=1e9 / row.step) for row in wild.epochs)
    least = min(row.train_loss for run in runs() for row in run.epochs)
    curves, _ = figure_of(
        tradeoff(arms_of([*runs(), replace(wild, epochs=rows)]), "val_top1"), "val_top1"
    ).axes
    assert curves.get_ylim() == pytest.approx((0.7 * least, 20.0))  # the others begin at 2
    told = [line.get_label() for line in curves.lines if "above" in str(line.get_label())]
    assert told == ["9  ends above"]
    assert [t.get_text() for t in curves.texts] == ["cut off: up to 1e+08"]
    calm, _ = figure_of(points(), "val_top1").axes
    assert list(calm.texts) == []


def test_runs_that_differ_in_more_are_refused() -> None:
    other = made_run(0, 0.5, path="x", mix={"name": "mixup"}, **lr(0.3))
    with pytest.raises(ConfigError, match=r"alone; they differ in optim\.lr, mix\.name"):
        tradeoff(arms_of([*runs(), other]), "val_top1")
    with pytest.raises(ConfigError, match="they differ in nothing"):
        tradeoff(arms_of(runs()[:2]), "val_top1")


def test_a_metric_that_no_run_has_is_refused() -> None:
    with pytest.raises(TrainerError, match="none of the runs completed with avg_val_top1"):
        tradeoff(arms_of(runs()), "avg_val_top1")


def test_the_command_writes_picture_and_numbers(here: Path, answer: Answer) -> None:
    for i, run in enumerate(runs()):
        write_run(run, here / "outputs" / "sweep" / str(i))
    out = answer("lr_tradeoff", "outputs", "--out", "there/mine").out
    assert "4 learning rates, 8 runs" in out
    assert "the best mean val_top1 is at optim.lr=0.1" in out
    assert sorted(p.name for p in (here / "there").iterdir()) == ["mine.csv", "mine.png"]


def test_the_preset_spans_five_decades_with_three_seeds() -> None:
    preset = yaml.safe_load((ROOT / "conf" / "sweep" / "lr_tradeoff.yaml").read_text())
    params = preset["hydra"]["sweeper"]["params"]
    values = [float(text) for text in params["optim.lr"].split(",")]
    assert len(values) >= 11
    assert values == sorted(set(values))
    assert values[-1] / values[0] >= 1e5
    assert len(params["seed"].split(",")) >= 3


def test_the_preset_is_swept_and_words_replace_its_values(call: Call, here: Path) -> None:
    synthetic = [w for w in TINY if not w.startswith(("model.hidden", "epochs"))]
    words = (*synthetic, "max_steps=1", "optim.lr=0.1,0.2")
    done = call("-m", "+sweep=lr_tradeoff", *words)
    assert done.code == 0, done.err
    sweep = (here / "outputs" / "latest").resolve()
    assert sweep.parent.name == "lr_tradeoff"
    with open(sweep / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted((row["seed"], row["optim.lr"]) for row in rows) == [
        (seed, value) for seed in "012" for value in ("0.1", "0.2")
    ]
    assert yaml.safe_load((sweep / "0" / "config.yaml").read_text())["epochs"] == 20


def test_a_preset_of_a_sweep_without_m_is_refused(call: Call, here: Path) -> None:
    done = call("+sweep=lr_tradeoff")
    assert done.code == 2
    assert "write -m before it" in done.err
