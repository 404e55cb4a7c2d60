"""A run's trajectory: losses are those that it recorded, distances those of its weights."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.command import Call
from trainer.record.runs import read_runs

TINY = ["data=synthetic", "data.num_train=60", "data.num_test=20", "data.image_shape=[1,6,6]"]
TINY += ["model=mlp", "model.hidden=[6]", "model.norm=none", "batch_size=10", "threads=1"]
KEPT = ["checkpoint.keep=all", "checkpoint.every=1ep", "epochs=3", "optim.lr=0.05"]


def trajectory_in(page: Path) -> dict[str, Any]:
    found = re.search(r'id="trajectories">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert found is not None
    (trajectory,) = json.loads(found[1])
    return dict(trajectory)


def run_of(call: Call, *words: str) -> Path:
    assert call(*TINY, *words).code == 0
    (run,) = read_runs("outputs")
    return run.path


@pytest.mark.slow
def test_losses_are_those_recorded_and_three_checkpoints_span_the_plane(
    call: Call, here: Path
) -> None:
    run = run_of(call, *KEPT, "average=ema", "average.decay=0.8")
    done = call("playground", str(run), "--points", "5", "--out", "new/page")
    assert done.code == 0, done.err
    assert "3 checkpoints" in done.out
    trajectory = trajectory_in(here / "new" / "page.html")
    (row,) = read_runs(run)
    assert trajectory["point_losses"] == pytest.approx([e.val_loss for e in row.epochs], rel=1e-4)
    averages = [e.avg_val_loss for e in row.epochs]
    assert [a["loss"] for a in trajectory["average"]] == pytest.approx(averages, rel=1e-4)
    assert trajectory["average_name"] == "EMA"
    assert trajectory["variance"] == pytest.approx(1.0)
    assert trajectory["images"] == 6
    assert trajectory["command"].startswith("python -m trainer data=synthetic")
    folders = sorted((run / "checkpoints").glob("step-*"))
    weights = [load_file(f / "model.safetensors") for f in folders]
    vectors = [np.concatenate([w[k].ravel() for k in sorted(w)]) for w in weights]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert math.dist(trajectory["points"][i], trajectory["points"][j]) == pytest.approx(
            float(np.linalg.norm(vectors[i] - vectors[j])), rel=1e-3
        )
    assert np.shape(trajectory["losses"]) == (5, 5)
    for axis, values in (("x", 0), ("y", 1)):
        inside = [p[values] for p in trajectory["points"]]
        assert trajectory[axis][0] < min(inside) < max(inside) < trajectory[axis][-1]


@pytest.mark.slow
def test_what_cannot_be_replayed_is_refused_in_a_line(call: Call, here: Path) -> None:
    run = str(run_of(call, "epochs=2", "optim.lr=0.05", "data.val=0"))
    refused = {
        ("playground", "outputs/none"): (4, "no run at outputs/none"),
        ("playground", run): (4, "checkpoint.keep=all"),
        ("playground", "--points", "9"): (2, "--points has no effect: no run is named"),
        ("playground", run, "--points", "2"): (2, "--points must be from 5 to 101, got 2"),
        ("playground", run, "--images", "0"): (2, "--images must be positive"),
        ("playground", run, "--begin", "5"): (2, "--begin needs a unit"),
        ("playground", run, "--off", "val"): (2, "did you mean --of?"),
        ("playground", "--out", f"{run}/config.yaml/page.html"): (2, "cannot write --out="),
        ("playground", run, "--out", f"{run}/config.yaml/page.html"): (2, "is no folder"),
    }
    for words, (code, text) in refused.items():
        done = call(*words)
        assert (done.code, done.err.count("\n")) == (code, 1), (words, done.err)
        assert text in done.err, words
    assert list(here.glob("*.html")) == []


@pytest.mark.slow
def test_a_run_without_validation_images_is_looked_at_on_its_training_images(call: Call) -> None:
    run = str(run_of(call, *KEPT, "data.val=0", "report_test=false"))
    done = call("playground", run, "--points", "5")
    assert (done.code, "--of train" in done.err) == (2, True)
    done = call("playground", run, "--points", "5", "--of", "train", "--images", "50%")
    assert done.code == 0, done.err
    trajectory = trajectory_in(Path("playground.html"))
    assert (trajectory["of"], trajectory["images"]) == ("training", 30)
    assert trajectory["average"] == [None, None, None]
    done = call("playground", run, "--of", "train", "--begin", "2ep")
    assert done.code == 4
    assert "2 checkpoints from --begin 2ep on" in done.err
