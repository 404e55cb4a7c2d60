import csv
import io
from pathlib import Path

import pytest

from tests.analysis.conftest import Answer
from tests.analysis.runs import lr, made_run, write_run
from trainer.analysis._arms import Arm, arms_of
from trainer.analysis.table import table_of, to_csv, to_markdown
from trainer.core.errors import ConfigError, TrainerError
from trainer.record.runs import RunRow


def runs() -> list[RunRow]:
    """0.7 and 0.8; 0.9 and one diverged; all diverged."""
    return [
        made_run(0, 0.7, path="a", **lr(0.1)),
        made_run(1, 0.8, path="a", **lr(0.1)),
        made_run(0, 0.9, path="b", **lr(0.2)),
        made_run(1, 0.1, path="b", status="diverged", **lr(0.2)),
        made_run(0, 0.1, path="c", status="diverged", **lr(0.4)),
    ]


def arms() -> list[Arm]:
    return arms_of(runs())


def test_a_row_is_a_setting_with_mean_sd_and_counts() -> None:
    made = table_of(arms())
    assert made.keys == ("optim.lr",)
    assert made.metrics == ("val_top1", "test_top1", "total_seconds")  # averaged weights: none
    lines = to_markdown(made).splitlines()
    heads = "| optim.lr | n | val_top1 (%) | test_top1 (%) | total_seconds | diverged |"
    assert lines[0] == heads
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: | ---: |"
    # sd of 70 and 80: 10 / sqrt(2)
    assert lines[2] == "| 0.1 | 2 | 75.00 sd 7.07 | 74.00 sd 7.07 | 4.00 sd 0.00 | 0 |"
    assert lines[3] == "| 0.2 | 1 | 90.00 | 89.00 | 4.00 | 1 |"
    assert lines[4] == "| 0.4 | 0 | - | - | - | 1 |"
    assert lines[6].endswith(
        "`-`: the setting has no such key, or none of its completed runs such a number."
    )


def test_where_every_run_completed_none_is_counted_as_lost() -> None:
    text = to_markdown(table_of(arms_of([run for run in runs() if run.status == "completed"])))
    assert "diverged" not in text
    assert text.endswith("Every run in it completed.\n")


def test_a_dash_stands_where_a_setting_has_no_such_key() -> None:
    parts = [{"optim": {"name": "sgd", "lr": lr, "momentum": 0.9}} for lr in (0.1, 0.012345678)]
    parts += [{"optim": {"name": "adam", "lr": 0.1}}, {"optim": {"name": "adam"}}]
    made = table_of(arms_of([made_run(0, 0.7, path=str(i), **p) for i, p in enumerate(parts)]))
    cells = [line.split(" | ")[:2] for line in to_markdown(made).splitlines()[:6]]
    assert cells[0] == ["| optim", "optim.lr"]
    assert cells[2:] == [["| sgd", "0.1"], ["| sgd", "0.01235"], ["| adam", "0.1"], ["| adam", "-"]]


def test_csv_holds_shares_and_n_of_each_metric() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(table_of(arms(), ["val_top1"])))))
    assert [row["optim.lr"] for row in rows] == ["0.1", "0.2", "0.4"]
    assert float(rows[0]["val_top1"]) == pytest.approx(0.75)
    assert [row["val_top1_n"] for row in rows] == ["2", "1", "0"]
    assert [row["diverged"] for row in rows] == ["0", "1", "1"]
    assert (rows[1]["val_top1_sd"], rows[2]["val_top1"]) == ("", "")


def test_no_cell_of_the_csv_is_a_formula() -> None:
    models = ("=1+1", "-@x", "cnn")
    made = [made_run(0, 0.5, path=str(i), model={"name": m}) for i, m in enumerate(models)]
    lines = to_csv(table_of(arms_of(made), ["val_top1"])).splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["'=1+1", "'-@x", "cnn"]


def test_the_best_stands_first_and_what_has_no_number_last() -> None:
    by_accuracy = table_of(arms(), sort="val_top1")
    assert [row.arm.settings["optim.lr"] for row in by_accuracy.rows] == [0.2, 0.1, 0.4]
    by_loss = table_of(arms(), ["val_top1"], sort="val_loss")
    assert by_loss.metrics == ("val_top1", "val_loss")
    assert [row.arm.settings["optim.lr"] for row in by_loss.rows] == [0.2, 0.1, 0.4]
    by_time = table_of(arms_of(reversed(runs())), sort="total_seconds")
    assert by_time.rows[-1].arm.settings["optim.lr"] == 0.4


def test_fewer_numbers_than_runs_are_said() -> None:
    half = [made_run(0, 0.7), made_run(1, 0.8)]
    half[1] = type(half[1])(**{**vars(half[1]), "test": None})
    text = to_markdown(table_of(arms_of(half), ["val_top1", "test_top1"]))
    assert "| 2 | 75.00 sd 7.07 | 69.00 (1) |" in text


def test_names_of_parts_are_columns_without_their_keys() -> None:
    adam = {"optim": {"name": "adam", "lr": 0.001, "eps": 1e-8}}
    made = table_of(arms_of([made_run(0, 0.7, **lr(0.1)), made_run(0, 0.8, **adam)]))
    assert made.keys == ("optim.name",)
    assert to_markdown(made).startswith("| optim | n |")


def test_metrics_that_are_unknown_or_nowhere_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown metric 'val_top'; did you mean 'val_top[15]'"):
        table_of(arms(), ["val_top"])
    with pytest.raises(TrainerError, match="none of the runs completed with avg_val_top1"):
        table_of(arms(), sort="avg_val_top1")


def test_the_command_writes_both_files(here: Path, answer: Answer) -> None:
    for i, run in enumerate(runs()):
        write_run(run, here / "sweep" / str(i))
    done = answer("table", "sweep", "--sort", "val_top1", "--out", "t/mine")
    assert "3 settings: t/mine.csv, t/mine.md" in done.out
    assert (here / "t" / "mine.md").read_text().splitlines()[2].startswith("| 0.2 | 1 | 90.00")
    assert answer("table", "sweep", "--metric", "val_top").code == 2
