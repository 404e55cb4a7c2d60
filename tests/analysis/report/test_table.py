from dataclasses import replace
from pathlib import Path

import pytest

from tests.analysis.runs import lr, made_run
from trainer.analysis._arms import Arm, arms_of
from trainer.analysis.report import of_folders
from trainer.analysis.report._table import arms_table, main_keys, places, reason, runs_table


def three_arms() -> list[Arm]:
    runs = [made_run(s, top1, path="/o/a", **lr(0.1)) for s, top1 in ((0, 0.50), (1, 0.54))]
    runs += [made_run(s, top1, path="/o/b", **lr(0.2)) for s, top1 in ((0, 0.60), (1, 0.70))]
    lost = made_run(0, 0.1, path="/o/c", status="diverged", **lr(9.0))
    return arms_of([*runs, replace(lost, summary={"message": "the loss at step 7 is not finite"})])


def test_the_best_mean_is_first_and_what_has_no_number_last() -> None:
    assert places(three_arms(), "val_top1") == [1, 0, 2]
    assert places(three_arms(), "val_loss") == [1, 0, 2]  # 1 - top1 at the end of these runs
    assert places(three_arms(), "train_loss") == [0, 1, 2]


def test_each_data_set_has_its_own_ranks() -> None:
    parts = (("mnist", 0.1, 0.97), ("cifar10", 0.1, 0.6), ("mnist", 0.2, 0.98))
    arms = arms_of(
        made_run(0, top1, path=str(i), data={"name": data}, **lr(value))
        for i, (data, value, top1) in enumerate(parts)
    )
    assert places(arms, "val_top1") == [1, 0, 0]
    rows = arms_table(arms, "val_top1", None).rows
    assert [row.arm for row in rows] == [1, 2, 0]
    assert [row.cells[0].text for row in rows] == ["1", "1", "2"]


def test_a_setting_s_row_holds_mean_sd_and_n() -> None:
    table = arms_table(three_arms(), "val_top1", "test_top1")
    titles = [c.title for c in table.columns]
    assert titles == [
        *("#", "mean val_top1 %", "sd", "n", "optim.lr", "min", "max", "mean test_top1 %"),
        "diverged",
    ]
    texts = [[cell.text for cell in row.cells] for row in table.rows]
    assert texts[0] == ["1", "65.00", "7.07", "2", "0.2", "60.00", "70.00", "64.00", ""]
    assert texts[2] == ["3", "", "", "0", "9", "", "", "", "1"]
    assert [row.arm for row in table.rows] == [1, 0, 2]
    assert [c.kind for c in table.columns][3:5] == ["number", "setting"]


def test_a_run_s_row_tells_its_folder_its_numbers_and_why_it_ended() -> None:
    table = runs_table(three_arms(), "val_top1", Path("/o"), Path("/o"))
    titles = [c.title for c in table.columns]
    last = dict(zip(titles, table.rows[-1].cells, strict=True))
    assert last["run"].text == "c/0"
    assert last["run"].link == "./c/0"
    assert last["status"].text == "diverged"
    assert last["epochs"].text == "2"
    assert last["how it ended"].text == "the loss at step 7 is not finite"
    assert last["how it ended"].link == "./c/0/run.log"
    first = dict(zip(titles, table.rows[0].cells, strict=True))
    assert (first["val_top1 %"].text, first["val_top1 %"].value) == ("50.00", 0.5)
    assert first["test_top1 %"].text == "49.00"
    assert first["train (s)"].text == "3.0"
    assert first["how it ended"] == replace(first["how it ended"], text="", link=None)
    assert table.rows[0].filter_text == "optim.lr=0.1 seed=0 status=completed a/0"
    assert [row.run for row in table.rows] == [0, 1, 2, 3, 4]


def test_where_all_completed_nothing_is_said_of_endings() -> None:
    arms = arms_of([made_run(0, 0.5)])
    titles = [c.title for c in runs_table(arms, "val_top1", Path(), Path()).columns]
    assert "how it ended" not in titles
    assert "diverged" not in [c.title for c in arms_table(arms, "val_top1", None).columns]


def test_scores_stand_where_a_narrow_screen_shows_them() -> None:
    table = runs_table(three_arms(), "val_top1", Path("/o"), Path("/o"))
    assert [c.title for c in table.columns][:2] == ["run", "val_top1 %"]
    first = arms_table(three_arms(), "val_top1", None)
    assert [c.title for c in first.columns][1] == "mean val_top1 %"


def test_several_folders_stay_apart(tmp_path: Path) -> None:
    people = [tmp_path / "anna", tmp_path / "ben"]
    runs = [made_run(s, 0.5 + s / 100, path=str(p)) for p in people for s in (0, 1)]
    both = of_folders(runs, list(map(str, people)))
    arms = arms_of(both)
    assert [(arm.label, len(arm.runs), arm.repeated) for arm in arms] == [
        ("folder=anna", 2, 0),
        ("folder=ben", 2, 0),
    ]
    assert main_keys(arms) == ["folder"]
    assert [arm.repeated for arm in arms_of(of_folders(runs, [str(tmp_path)]))] == [2]
    own = of_folders(runs, [str(run.path) for run in runs])  # each was named itself
    assert own == runs


@pytest.mark.parametrize(
    ("status", "summary", "expected"),
    [
        ("completed", {"message": "fine"}, ""),
        ("unfinished", {}, "it has no summary: it still runs, or was killed"),
        ("failed", {"message": "out of memory"}, "out of memory"),
        ("failed", {}, "it left no message: see run.log"),
    ],
)
def test_reasons(status: str, summary: dict[str, str], expected: str) -> None:
    assert reason(replace(made_run(0, 0.5, status=status), summary=summary)) == expected


def test_where_another_part_was_chosen_its_name_is_the_column() -> None:
    parts = (
        {"model": {"name": "cnn", "width": 8}, "optim": {"lr": 0.1}},
        {"model": {"name": "mlp", "hidden": [4]}, "optim": {"lr": 0.1}},
        {"model": {"name": "mlp", "hidden": [9]}, "optim": {"lr": 0.1}},
    )
    arms = arms_of(made_run(0, 0.5, path=str(i), **part) for i, part in enumerate(parts))
    assert main_keys(arms) == ["model.name", "model.hidden"]
    rows = arms_table(arms, "val_top1", None).rows
    assert [[c.text for c in row.cells[4:6]] for row in rows] == [
        ["cnn", ""],
        ["mlp", "[4]"],
        ["mlp", "[9]"],
    ]
