"""The study of flatness on tiny runs: its points are the runs' own scores; mistakes in one line."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.command import TINY
from trainer import compose, train
from trainer.cli.main import exit_code

pytestmark = pytest.mark.slow  # whole runs

SWA = ("average=swa", "average.start=50%", "average.every=1st", "optim.lr=0.1")
RUNS = {
    "run": (*SWA, "checkpoint.every=1ep", "checkpoint.keep=all"),
    "plain": ("data.num_train=48",),
    "wide": (*SWA, "model.hidden=[9]"),
    "after": ("init_from=HERE/plain", "precision=bf16", "mix=mixup", "average=ema"),
}
FEW = ("--points", "3", "--segment-points", "4", "--rays", "2", "--ray-points", "3")


def answer(*arguments: str) -> int:
    return exit_code(["flatness", *arguments, "--threads", "1"])


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


def table(file: Path) -> list[dict[str, float]]:
    with file.open(newline="") as lines:
        return [
            {k: v if k in ("start", "kind") else float(v) for k, v in row.items()}  # type: ignore[misc]
            for row in csv.DictReader(lines)
        ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs: `run`, two that do not belong to it, and one that began with `plain`."""
    made = tmp_path_factory.mktemp("flatness")
    for name, overrides in RUNS.items():
        overrides = tuple(word.replace("HERE", str(made)) for word in overrides)
        train(compose(*TINY, *overrides), folder=made / name, quiet=True)
    return made


@pytest.fixture
def runs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Copies of them in the working folder."""
    threads = torch.get_num_threads()
    shutil.copytree(folder, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "here"
    torch.set_num_threads(threads)


def test_its_points_are_the_runs_own(runs: Path, capsys) -> None:
    everything = ("--train-images", "100%", "--bn-images", "100%", "--test-images", "100%")
    overrides = ("run", "run@average", "run@4", *FEW, *everything)
    assert answer(*overrides, "--out", "out") == 0
    out = capsys.readouterr().out
    names = {
        "flatness.json",
        *(f"{n}.{e}" for n in ("plane", "segment", "rays") for e in ("csv", "png")),
    }
    assert {p.name for p in (runs / "out").iterdir()} == names
    facts = json.loads((runs / "out/flatness.json").read_text())
    last, averaged, early = facts["weights"]
    assert [w["label"] for w in facts["weights"]] == ["SGD", "SWA", "step 4"]
    told = summary(runs / "run")["test_avg"]
    assert averaged["test_loss"] == pytest.approx(told["loss"], rel=1e-5)
    assert averaged["test_error"] == pytest.approx(1 - told["top1"])
    assert early["train_loss"] > last["train_loss"]
    assert f"{averaged['train_loss']:.4f}" in out
    assert facts["images"] == {"train": 58, "bn": 58, "test": 20}
    assert (facts["data"]["name"], facts["threads"]) == ("synthetic", 1)
    check_tables(runs / "out", facts)
    again = answer(*overrides, "--out", "again")
    assert again == 0
    for name in ("plane", "segment", "rays"):
        assert (runs / f"again/{name}.csv").read_bytes() == (runs / f"out/{name}.csv").read_bytes()


def check_tables(out: Path, facts: dict[str, Any]) -> None:
    """Compare rows at the weights themselves with their scores, and rays with each other."""
    last, averaged, _ = facts["weights"]
    segment = table(out / "segment.csv")
    assert [row["t"] for row in segment] == [-1.0, 0.0, 1.0, 2.0]
    assert segment[2]["distance"] == pytest.approx(facts["distance"])
    for row, weights in ((segment[1], last), (segment[2], averaged)):
        assert row["train_loss"] == pytest.approx(weights["train_loss"], rel=1e-5)
        assert row["test_error"] == pytest.approx(weights["test_error"])
    rays = table(out / "rays.csv")
    assert len(rays) == 2 * 2 * 2 * 3
    raw = {row["distance"] for row in rays if row["kind"] == "raw" and row["share"]}
    assert sorted(raw) == pytest.approx(
        [0.15 * last["norm"]] * (len(raw) // 2) + [0.3 * last["norm"]] * (len(raw) - len(raw) // 2)
    )
    starts = {(row["start"], row["train_loss"]) for row in rays if row["share"] == 0.0}
    assert starts == {("SGD", last["train_loss"]), ("SWA", averaged["train_loss"])}
    assert len(table(out / "plane.csv")) == 9
    rise = facts["rises"]["raw"]["train_loss"][-1]
    mine = [
        row["train_loss"]
        for row in rays
        if (row["start"], row["kind"], row["share"]) == ("SWA", "raw", 0.3)
    ]
    mean = sum(mine) / 2 - averaged["train_loss"]
    assert rise["rises"][1]["mean"] == pytest.approx(mean)
    assert rise["rises"][1]["n"] == 2


def test_one_run_stands_for_its_last_and_its_averaged_weights(runs: Path) -> None:
    assert answer("run", *FEW, "--out", "a/b", "--labels", "late, mean") == 0
    facts = json.loads((runs / "a/b/flatness.json").read_text())
    assert [w["label"] for w in facts["weights"]] == ["late", "mean"]
    assert not (runs / "a/b/plane.csv").exists()
    folder = "run/checkpoints/step-00000004"
    assert answer(folder, "run", *FEW, "--out", "c") == 0
    facts = json.loads((runs / "c/flatness.json").read_text())
    assert [w["label"] for w in facts["weights"]] == ["step 4", "SGD"]


def test_weights_that_training_began_with_are_not_needed_again(runs: Path) -> None:
    shutil.rmtree(runs / "plain")
    assert answer("after", *FEW) == 0
    facts = json.loads((runs / "flatness/flatness.json").read_text())
    assert facts["precision"] == "fp32"


def test_images_that_are_others_by_now_are_refused(runs: Path, capsys) -> None:
    told = summary(runs / "run")
    told["data"]["fingerprint"] = "f" * 64
    (runs / "run" / "summary.json").write_text(json.dumps(told))
    assert answer("run", *FEW) == 2
    assert "run: this run was trained on other images or classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "code", "message"),
    [
        (("nowhere",), 4, "no run at"),
        (("run@3", "run"), 4, "no checkpoint of step 3 that verifies"),
        (("plain", "run@average"), 2, "data.num_train=64, but the first run has data.num_train=48"),
        (("wide", "run@average"), 2, "model.hidden=[8], but the first run has model.hidden=[9]"),
        (("plain@average", "plain"), 2, "this run has no averaged weights"),
        (("plain",), 2, "this run has no averaged weights"),
        (("run", "run"), 2, "the first and the second weights are the same"),
        (("run", "run@average", "run"), 2, "the three weight vectors lie on a line"),
        (("run",) * 4, 2, "at most three weights, got 4"),
        (("run/checkpoints/step-00000008/model.safetensors",), 2, "not a weights file"),
        (("run", "--rays", "0"), 2, "--rays must be at least 1, got 0"),
        (("run", "--radius", "0"), 2, "--radius must be above 0, got 0.0"),
        (("run", "--segment-points", "1"), 2, "--segment-points must be at least 2"),
        (("run", "--bn-images", "0"), 2, "--bn-images must be positive"),
        (("run", "--test-images", "few"), 2, "--test-images must be a share"),
        (("run", "--labels", "one"), 2, "--labels: 1 names for 2 weights"),
        (("run", "--device", "tpu"), 2, "device must be auto"),
        (("run", "--out", "run/run.log"), 2, "--out run/run.log: no folder can be made there"),
    ],
)
def test_mistakes_end_in_one_line(runs: Path, capsys, overrides, code: int, message: str) -> None:
    assert answer(*overrides) == code
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (runs / "flatness" / "flatness.json").exists()
