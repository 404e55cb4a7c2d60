"""The precision table: what its numbers are, and that one command makes it."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.command import TINY
from tests.warm import Warm
from trainer.record.tables import records_csv
from trainer.study.precision_table.measure import CellScore, Speed, apart, measure, score
from trainer.study.precision_table.report import (
    ScoreRow,
    SpeedRow,
    gain,
    numbers_of,
    score_table,
    scores_of,
    span,
    speed_table,
)
from trainer.study.precision_table.table import without_root

pytestmark = pytest.mark.slow  # whole runs


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Measuring sets the threads of its process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def speed_row(precision: str, *rates: float, at: str = "equal", memory: int = 2**30) -> SpeedRow:
    samples = [Speed(rate, memory + i) for i, rate in enumerate(rates)]
    return SpeedRow("net", precision, at, 8, 96, samples)


REFUSED = SpeedRow("net", "tf32", "equal", 8, 96, [Speed(why="no GPU | here", is_refused=True)])


def test_the_gain_is_the_median_of_the_ratios_within_rounds() -> None:
    base, fast = speed_row("fp32", 10.0, 2.0, 5.0), speed_row("bf16", 12.0, 4.0, 9.0)
    other = speed_row("fp32", 100.0, 100.0, 100.0, at="best")
    rows = [base, fast, other, REFUSED]
    assert gain(fast, rows) == pytest.approx(1.8)  # of 1.2, 2.0, 1.8
    assert gain(base, rows) == 1.0
    assert gain(REFUSED, rows) is None
    assert gain(fast, [fast]) is None


def test_an_epoch_is_extrapolated_from_the_median() -> None:
    row = speed_row("bf16", 1.0, 4.0, 2.0)
    numbers = numbers_of(row, [row], 1000)
    assert numbers["images_per_s"] == 2.0
    assert (numbers["images_per_s_least"], numbers["images_per_s_most"]) == (1.0, 4.0)
    assert numbers["epoch_s"] == 500.0
    assert numbers["n"] == 3
    assert numbers["memory_bytes"] == 2**30 + 2
    assert numbers["times_fp32"] is None


def test_what_is_refused_has_a_reason_and_no_number() -> None:
    numbers = numbers_of(REFUSED, [REFUSED], 1000)
    assert numbers["why"] == "refused: no GPU | here"
    assert {numbers[k] for k in ("images_per_s", "epoch_s", "memory_bytes", "times_fp32")} == {None}
    assert "| net | tf32 | 96 | 8 | refused: no GPU \\| here |" in speed_table([REFUSED], 1000)


def test_the_table_of_speed_by_hand() -> None:
    rows = [speed_row("fp32", 1.0, 2.0, 3.0), speed_row("bf16", 2.0, 4.0, 6.0)]
    lines = speed_table(rows, 1200).splitlines()
    assert len(lines) == 4
    assert lines[2] == "| net | fp32 | 96 | 8 | 10.0 min | 2 (1 to 3, 3) | 1.00 | 1.00 GiB |"
    assert lines[3] == "| net | bf16 | 96 | 8 | 5.0 min | 4 (2 to 6, 3) | 2.00 | 1.00 GiB |"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0.5 s"), (119, "119 s"), (150, "2.5 min"), (9000, "2.5 h")]
)
def test_a_span_of_time_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_scores_are_means_over_seeds_and_differences_seed_by_seed() -> None:
    base = ScoreRow("net", "fp32", [CellScore(2.0, 0.5, 0.9), CellScore(4.0, 0.7, 0.9)])
    half = ScoreRow("net", "fp16", [CellScore(1.0, 0.6, None, 2), CellScore(1.0, 0.7, None, 1)])
    numbers = scores_of(half, [base, half])
    assert numbers["top1"] == pytest.approx(0.65)
    assert numbers["top1_sd"] == pytest.approx(0.1 / 2**0.5)
    assert numbers["top1_less_fp32"] == pytest.approx(0.05)
    assert numbers["top1_less_fp32_sd"] == pytest.approx(0.1 / 2**0.5)
    assert numbers["top5"] is None
    assert numbers["skipped_steps"] == 3
    assert scores_of(base, [base, half])["top1_less_fp32"] is None
    lines = score_table(
        [base, half, ScoreRow("net", "O3", [CellScore(why="diverged")])]
    ).splitlines()
    assert lines[2] == "| net | fp32 | 3 s | 60.00 (sd 14.14) | 90.00 (sd 0.00) | 2 |  |  |"
    assert lines[3] == "| net | fp16 | 1 s | 65.00 (sd 7.07) |  | 2 | +5.00 (sd 7.07) | 3 |"
    assert lines[4].startswith("| net | O3 | diverged |")


def test_csv_has_a_name_for_every_number() -> None:
    rows = [speed_row("fp32", 1.0), speed_row("bf16", 2.0)]
    read = list(csv.DictReader(records_csv([numbers_of(r, rows, 10) for r in rows]).splitlines()))
    assert [r["precision"] for r in read] == ["fp32", "bf16"]
    assert [float(r["times_fp32"]) for r in read] == [1.0, 2.0]
    assert records_csv([]) == ""


def test_a_measurement_times_the_steps_after_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves by one second at every look: two looks a stretch of training."""
    looks = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(looks)))
    found = measure((*TINY, "data.val=0"), warmup=1, steps=2)
    assert found.images_per_s == 2 * 16 / 1.0
    assert found.memory_bytes is not None
    assert found.memory_bytes > 2**20


def test_what_the_machine_lacks_is_told_as_refused() -> None:
    for found in (measure((*TINY, "precision=tf32"), 1, 1), score((*TINY, "precision=tf32"))):
        assert found.is_refused
        assert found.why is not None
        assert "needs an NVIDIA GPU" in found.why


def test_a_process_that_dies_takes_nothing_with_it() -> None:
    assert apart(os._exit, 9) is None
    assert apart(abs, -3) == 3


def test_only_the_place_of_the_data_is_left_out_of_the_command() -> None:
    overrides = ["--train-data", "mnist", "--root", "data", "--train-words", "data.subset=5000"]
    shown = ["--train-data", "mnist", "--root", "DIR", "--train-words", "data.subset=5000"]
    assert without_root(overrides) == shown
    assert without_root(["--root=data", "--out=data"]) == ["--root=DIR", "--out=data"]


@pytest.mark.slow
def test_one_command_makes_the_table(warm: Warm, here: Path) -> None:
    overrides = ["--models", "squeezenet1_1", "--px", "32", "--batch", "2", "--batches", "2,4"]
    overrides += ["--images", "2", "--rounds", "2", "--threads", "1", "--precisions", "fp32,tf32"]
    overrides += [
        "--train-data",
        "digits",
        "--train-epochs",
        "0.1",
        "--seeds",
        "2",
        "--root",
        "secret",
    ]
    overrides += ["--train-words", "batch_size=32 model.width=4", "--out", "found"]
    made = warm.run(["precision_table", *overrides], here)
    assert made.code == 0, made.err
    content = json.loads((here / "found" / "table.json").read_text())
    assert content["command"].startswith("python -m trainer precision_table --models squeezenet")
    assert "secret" not in json.dumps(content)
    rows = {(r["precision"], r["at"]): r for r in content["speed"]}
    assert set(rows) == {("fp32", "equal"), ("tf32", "equal"), ("fp32", "best")}
    (refused,) = rows.pop(("tf32", "equal"))["samples"]
    assert refused["is_refused"]
    for (_, at), row in rows.items():
        assert len(row["samples"]) == 2
        assert all(s["images_per_s"] > 0 and s["memory_bytes"] > 0 for s in row["samples"])
        assert set(row["tried"]) == ({"2", "4"} if at == "best" else set())
    best = rows["fp32", "best"]
    assert best["samples"][0] != rows["fp32", "equal"]["samples"][0]
    assert best["tried"][str(best["batch"])] == max(best["tried"].values())
    trained = {r["precision"]: r["samples"] for r in content["trained"]}
    assert [len(trained[p]) for p in ("fp32", "tf32")] == [2, 1]
    assert trained["fp32"][0]["top5"] > trained["fp32"][0]["top1"] > 0
    text = (here / "found" / "table.md").read_text()
    assert text in made.out
    assert "refused: precision=tf32 needs an NVIDIA GPU" in text
    for name in ("speed.csv", "trained.csv"):
        assert (here / "found" / name).read_text().count("\n") >= 3
    assert len(list((here / "outputs" / "precision_table").iterdir())) == 2


def test_unknown_names_are_told_before_anything_is_measured(warm: Warm, here: Path) -> None:
    wrong = warm.run(["precision_table", "--precisions", "fp23"], here)
    assert wrong.code == 2
    assert "unknown precision 'fp23'; did you mean" in wrong.err
    assert list(here.iterdir()) == []
