"""`task=evaluate` says what the run's own evaluation said, and where the network errs."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.command import ROOT, TINY, Call, environment, snapshot

NAMES = ("classes.csv", "confusion.csv", "images.csv", "summary.json", "config.yaml", "run.log")


def evaluation(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_text())["evaluation"]


def rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def pictures(root: Path, classes: dict[str, int], draw: np.random.Generator) -> None:
    """Write images whose grey says their class, into `train` and `test`."""
    for split in ("train", "test"):
        for name, grey in classes.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(6):
                noise = draw.integers(0, 20, (9, 12 + i, 3), dtype=np.uint8)
                Image.fromarray(noise + np.uint8(grey)).save(folder / f"{i}.png")


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("precision=bf16", "tta=flip"), ("average=ema",)])
def test_it_is_the_run_s_own_evaluation_to_the_last_bit(
    call: Call, here: Path, words: tuple[str, ...]
) -> None:
    assert call(*TINY, *words, "hydra.run.dir=run").code == 0
    test = json.loads((here / "run" / "summary.json").read_text())["test"]
    done = call("task=evaluate", "task.run=run", "hydra.run.dir=found")
    assert (done.code, done.err) == (0, "")
    found = evaluation(here / "found")
    assert {key: found[key] for key in test} == test
    assert {*NAMES, "confusion.png", "calibration.png"} <= {
        p.name for p in (here / "found").iterdir()
    }
    table = rows(here / "found" / "images.csv")
    assert len(table) == 20
    hits = sum(row["label"] == row["guess"] for row in table)
    assert hits / 20 == test["top1"]
    confusion = rows(here / "found" / "confusion.csv")
    assert sum(int(row[row["label"]]) for row in confusion) == hits


@pytest.mark.slow
def test_averaged_weights_are_named_and_two_networks_are_compared(call: Call, here: Path) -> None:
    assert call(*TINY, "average=ema", "hydra.run.dir=run").code == 0
    summary = json.loads((here / "run" / "summary.json").read_text())
    done = call("task=evaluate", "task.run=run@average", "task.against=run", "hydra.run.dir=found")
    assert done.code == 0, done.err
    found = evaluation(here / "found")
    assert found["top1"] == summary["test_avg"]["top1"]
    against = found["against"]
    assert against["top1"] == summary["test"]["top1"]
    assert against["both"] + against["gained"] == round(20 * found["top1"])
    assert against["both"] + against["lost"] == round(20 * against["top1"])
    assert "against_guess" in rows(here / "found" / "images.csv")[0]


@pytest.mark.slow
def test_on_other_images_classes_are_found_by_name(call: Call, here: Path) -> None:
    draw = np.random.default_rng(0)
    pictures(here / "a", {"bright": 220, "dark": 10, "é": 120}, draw)
    words = (
        "data=image_folder",
        "data.cache_size=8",
        "model=mlp",
        "model.hidden=[16]",
        "threads=1",
    )
    words = (*words, "batch_size=6", "epochs=30", "optim.lr=0.05", "data.val=0")
    assert call(*words, "data.root=a", "hydra.run.dir=run").code == 0
    pictures(here / "b", {"dark": 12, "é": 118}, draw)
    shutil.move(here / "b" / "train" / "dark" / "0.png", here / "b" / "train" / "dark" / "x.png")
    done = call("task=evaluate", "task.run=run", "data.root=b", "hydra.run.dir=found")
    assert done.code == 0, done.err
    assert evaluation(here / "found")["top1"] == 1.0, "by place, dark would be bright"
    table = rows(here / "found" / "images.csv")
    assert [row["file"] for row in table][:2] == ["test/dark/0.png", "test/dark/1.png"]
    assert {row["label"] for row in table} == {"dark", "é"}
    pictures(here / "c", {"dark": 12, "blue": 118}, draw)
    before = snapshot(here / "run")
    done = call("task=evaluate", "task.run=run", "data.root=c", "hydra.run.dir=none")
    assert done.code == 2
    assert "the network knows the classes bright, dark, é, and not blue" in done.err
    assert not (here / "none").exists()
    assert snapshot(here / "run") == before


@pytest.mark.slow
def test_the_newest_run_stays_the_newest_run(call: Call, here: Path) -> None:
    assert call(*TINY).code == 0
    latest = (here / "outputs" / "latest").resolve()
    assert call("task=evaluate", "task.run=outputs/latest").code == 0
    assert (here / "outputs" / "latest").resolve() == latest
    assert call("task=evaluate", "task.run=outputs/latest", "task.split=val").code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ((), 2, "task.run is missing"),
        (("task.run=nowhere",), 4, "no run at"),
        (("task.run=run", "model=cnn"), 2, "the network and its weights are those of task.run"),
        (("task.run=run", "model.hidden=[4]"), 2, "are those of task.run"),
        (("task.run=run", "repeat=run"), 2, "leave out resume=, repeat= and fork="),
        (("task.run=run@average",), 2, "no averaged weights"),
        (("task.run=run", "task.split=val", "data.val=0"), 2, "data.val=0 holds no image out"),
        (("task.run=run", "data.image_shape=[1,9,9]"), 2, "images are (1, 9, 9), not (1, 8, 8)"),
        (("task.run=run", "task.splitt=val"), 2, "task.split"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_one_line(
    call: Call, here: Path, words: tuple[str, ...], code: int, text: str
) -> None:
    assert call(*TINY, "epochs=1", "hydra.run.dir=run").code == 0
    before = snapshot(here)
    done = call("task=evaluate", *words, "hydra.run.dir=found")
    assert (done.code, "Traceback" in done.err) == (code, False)
    assert text in done.err
    assert snapshot(here) == before


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was trained for two ranks to look at."""
    folder = tmp_path_factory.mktemp("two_ranks")
    line = [sys.executable, "-m", "trainer", *TINY, "hydra.run.dir=run"]
    subprocess.run(line, cwd=folder, env=environment(), check=True, capture_output=True)
    return folder


@pytest.mark.slow
def test_two_ranks_say_what_one_says(trained: Path) -> None:
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = ["-m", "trainer", "task=evaluate", "task.run=run"]
    words.append("metrics=[f1,auroc,calibration_error,matthews_corr_coef]")
    for start, place in (([], "one"), (torchrun, "two")):
        line = [sys.executable, *start, *words, f"hydra.run.dir={place}"]
        done = subprocess.run(line, cwd=trained, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    for name in ("images.csv", "classes.csv", "confusion.csv"):
        assert (trained / "one" / name).read_text() == (trained / "two" / name).read_text()
    one, two = evaluation(trained / "one"), evaluation(trained / "two")
    assert one.pop("loss") == pytest.approx(two.pop("loss"), rel=1e-12)
    assert {"f1", "auroc", "calibration_error", "matthews_corr_coef"} <= set(one)
    assert one == two
    assert str(ROOT) in environment()["PYTHONPATH"]
