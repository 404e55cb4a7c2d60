"""A run that looks at test says where its network errs; what cannot be drawn costs no run."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import TINY, Call

FILES = {"classes.csv", "confusion.csv", "confusion.png", "mistakes.png"}


def summary(run: Path) -> Any:
    return json.loads((run / "summary.json").read_text())


@pytest.mark.slow
def test_it_says_what_task_evaluate_says(call: Call, here: Path) -> None:
    done = call(*TINY, "hydra.run.dir=run")
    assert done.code == 0, done.err
    errors = summary(here / "run")["errors"]
    assert errors["weights"] == "final"
    assert {file.name for file in (here / "run" / "errors").iterdir()} == FILES
    assert "worst     " in done.out
    assert "mistakes  " in done.out
    assert call("task=evaluate", "task.run=run", "hydra.run.dir=found").code == 0
    found = summary(here / "found")["evaluation"]
    assert errors["balanced"] == found["balanced"]
    assert errors["calibration_error"] == found["calibration_error"]
    for name in FILES - {"confusion.png"}:  # whose title names the weights
        there = (here / "found" / name).read_bytes()
        if name.endswith(".csv"):
            assert (here / "run" / "errors" / name).read_bytes() == there
    again = call("resume=run")  # of a finished run, its results alone
    assert "mistakes  " in again.out


@pytest.mark.slow
def test_of_averaged_weights_where_there_are_some(call: Call, here: Path) -> None:
    assert call(*TINY, "average=ema", "hydra.run.dir=run").code == 0
    end = summary(here / "run")
    assert end["errors"]["weights"] == "averaged"
    text = (here / "run" / "errors" / "confusion.csv").read_text().splitlines()
    table = list(csv.DictReader(text))
    hits = sum(int(row[row["label"]]) for row in table)
    assert hits / 20 == end["test_avg"]["top1"]


@pytest.mark.slow
def test_without_test_images_nothing_is_said(call: Call, here: Path) -> None:
    done = call(*TINY, "report_test=false", "hydra.run.dir=run")
    assert done.code == 0
    assert "mistakes " not in done.out
    assert "errors" not in summary(here / "run")
    assert not (here / "run" / "errors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["confusion_picture", "mistakes_picture", "write_csv"])
def test_what_cannot_be_drawn_costs_one_line(
    part: str, call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no\nroom")

    assert call(*TINY, "hydra.run.dir=whole").code == 0
    monkeypatch.setattr(importlib.import_module("trainer.run.errors_shown"), part, fail)
    done = call(*TINY, "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert done.out.count("the pictures of errors are left out (OSError: no room)") == 1
    for key in ("weights_sha256", "test", "errors", "key", "status"):
        assert summary(here / "run")[key] == summary(here / "whole")[key]


@pytest.mark.slow
def test_tensorboard_has_pictures_and_names(call: Call, here: Path) -> None:
    assert call(*TINY, "hydra.run.dir=run").code == 0
    events = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    found = events.EventAccumulator(str(here / "run" / "tensorboard"), {"images": 0, "tensors": 0})
    found.Reload()
    tags = found.Tags()
    assert {"errors/confusion", "errors/mistakes"} <= set(tags["images"])
    image = found.Images("errors/confusion")[0]
    assert image.width >= 500
    text = found.Tensors("errors/classes/text_summary")[0].tensor_proto.string_val[0].decode()
    assert text.startswith("| class | images |")
