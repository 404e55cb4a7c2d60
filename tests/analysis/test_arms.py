from dataclasses import replace

import pytest

from tests.analysis.runs import lr, made_run
from trainer.analysis._arms import METRICS, arms_of, common_epochs, final, trained


def test_runs_are_grouped_by_everything_but_the_seed() -> None:
    runs = [
        made_run(s, 0.5, path=f"{i}", **lr(v)) for i, v in enumerate((0.1, 0.2)) for s in (1, 0)
    ]
    first, second = arms_of(runs)
    assert [arm.label for arm in (first, second)] == ["optim.lr=0.1", "optim.lr=0.2"]
    assert [run.config["seed"] for run in first.runs] == [0, 1]
    assert list(second.values("val_top1")) == [0, 1]
    assert "seed" not in first.settings


def test_other_paths_and_threads_are_the_same_setting() -> None:
    runs = [made_run(0, 0.5, path="a", threads=1), made_run(1, 0.5, path="b", threads=2)]
    (arm,) = arms_of(runs)
    assert len(arm.runs) == 2
    assert arm.label == "all runs"


def test_one_run_counts_for_a_seed_the_newest_that_finished() -> None:
    runs = [
        made_run(0, 0.3, path="a1"),
        made_run(0, 0.4, path="a2"),
        made_run(0, 0.9, path="a3", status="interrupted"),
        made_run(1, 0.5, path="a10"),
    ]
    (arm,) = arms_of(runs)
    assert arm.values("val_top1") == {0: 0.4, 1: 0.5}
    assert arm.repeated == 2
    assert arm.failed == []


def test_diverged_and_failed_runs_are_counted_and_have_no_number() -> None:
    states = ("completed", "diverged", "failed", "interrupted", "unfinished")
    (arm,) = arms_of(made_run(i, 0.5, status=status) for i, status in enumerate(states))
    assert (len(arm.completed), len(arm.diverged), len(arm.failed)) == (1, 1, 3)
    assert list(arm.values("val_top1")) == [0]


def test_job_2_stands_before_job_10() -> None:
    runs = [made_run(0, 0.5, path=f"sweep/{i}", **lr(float(i))) for i in (10, 2, 1)]
    assert [arm.settings["optim.lr"] for arm in arms_of(runs)] == [1.0, 2.0, 10.0]


def test_other_tasks_are_left_out() -> None:
    runs = [made_run(0, 0.5, task={"name": t}) for t in ("train", "lr_range")] + [made_run(1, 0.5)]
    assert [run.config.get("task") for run in trained(runs)] == [{"name": "train"}, None]


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("val_top1", 0.5),
        ("val_loss", 0.5),
        ("train_loss", 1.0),
        ("test_top1", 0.49),
        ("test_loss", 1.0),
        ("test_avg_top1", None),
        ("avg_val_top1", None),
        ("best_val_top1", 0.5),
        ("train_seconds", 3.0),
        ("total_seconds", 4.0),
    ],
)
def test_final_numbers(metric: str, value: float | None) -> None:
    assert metric in METRICS
    assert final(made_run(0, 0.5), metric) == value


def test_every_metric_can_be_asked_of_a_run_without_epochs() -> None:
    run = made_run(0, 0.5, epochs=0, status="failed")
    found = {metric for metric in METRICS if final(run, metric) is not None}
    assert found == {"best_val_top1", "train_seconds", "total_seconds"}  # of the summary


def test_curves_share_the_epochs_that_all_runs_have() -> None:
    runs = [made_run(0, 0.5, epochs=2), made_run(1, 0.5, epochs=3)]
    assert common_epochs(runs, "val_top1") == [1.0, 2.0]
    assert common_epochs(runs, "grad_norm") == []
    assert common_epochs([], "val_top1") == []


def test_a_run_delivers_its_averaged_weights_where_it_has_some() -> None:
    plain = made_run(0, 0.9)
    assert final(plain, "delivered_test_top1") == pytest.approx(0.89)
    assert final(plain, "delivered_val_top1") == pytest.approx(0.9)
    last = replace(plain.epochs[-1], avg_val_top1=0.95)
    averaged = replace(plain, epochs=(*plain.epochs[:-1], last), test_avg={"top1": 0.94})
    assert final(averaged, "delivered_test_top1") == 0.94
    assert final(averaged, "delivered_val_top1") == 0.95
