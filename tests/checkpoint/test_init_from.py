"""Training starts from weights of another run or of a file, and its record says from which."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch
import yaml
from PIL import Image

from tests.command import ROOT, TINY, Call, snapshot
from trainer import compose

pytestmark = pytest.mark.slow  # whole runs

STILL = ("optim.lr=1e-30",)  # steps that change no weight


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


def weights(run: Path, file: str = "model.safetensors") -> dict[str, torch.Tensor]:
    """Return a run's last parameters."""
    newest = max((run / "checkpoints").iterdir())
    tensors = safetensors.torch.load_file(newest / file)
    return {n: t for n, t in tensors.items() if "running" not in n and "num_batches" not in n}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[str]:
    return [name for name in one if torch.equal(one[name], other[name])]


@pytest.fixture
def donor(call: Call, here: Path) -> Path:
    """A run under `outputs`, the newest."""
    ended = call(*TINY, "seed=5", "average=ema", "checkpoint.every=1ep", "checkpoint.keep=all")
    assert ended.code == 0, ended.err
    return (here / "outputs" / "latest").resolve()


def test_a_run_and_a_file_start_training_alike(call: Call, here: Path, donor: Path) -> None:
    file = here / "weights, all [of] them.safetensors"
    shutil.copy(max((donor / "checkpoints").iterdir()) / "model.safetensors", file)
    swa = ("average=swa", "average.include_init=true", "average.start=0st", "average.every=3st")
    for name, origin in (("run", "outputs/latest"), ("file", file.name)):
        ended = call(*TINY, *STILL, *swa, f"init_from={origin}", f"hydra.run.dir={name}")
        assert ended.code == 0, ended.err
    run = here / "run"
    assert same(weights(run), weights(donor)) == list(weights(donor))
    assert same(weights(run, "average.safetensors"), weights(donor)) == list(weights(donor))
    assert yaml.safe_load((run / "config.yaml").read_text())["init_from"] == str(donor)
    assert summary(run)["key"] == summary(here / "file")["key"]
    assert summary(run)["weights_read"] == summary(here / "file")["weights_read"]
    assert list(summary(run)["weights_read"]) == ["init_from"]

    ended = call(*TINY, *STILL, *swa, f"init_from={donor}@average", "hydra.run.dir=average")
    assert ended.code == 0, ended.err
    assert summary(run)["key"] != summary(here / "average")["key"]
    averaged = weights(donor, "average.safetensors")
    assert same(weights(here / "average"), averaged) == list(averaged)
    assert "weights_read" not in summary(donor)


def test_other_classes_get_a_new_last_layer_and_one_line_says_so(
    call: Call, here: Path, donor: Path
) -> None:
    five = (*TINY, *STILL, "data.num_classes=5")
    ended = call(*five, f"init_from={donor}", "hydra.run.dir=five")
    assert ended.code == 0, ended.err
    told = f"init_from={donor}: the last layer (4) is new, for 5 classes instead of 10"
    assert told in ended.out
    assert told in (here / "five" / "run.log").read_text()
    assert call(*five, "hydra.run.dir=random").code == 0
    kept, drawn = weights(here / "five"), weights(here / "random")
    assert {n.split(".")[0] for n in same(drawn, kept)} >= {"4"}
    assert not torch.equal(drawn["1.weight"], kept["1.weight"])
    others = {n: t for n, t in kept.items() if not n.startswith("4.")}
    assert same(others, weights(donor)) == list(others)


def test_the_record_names_the_classes_and_another_order_of_them_is_no_harm(
    call: Call, here: Path
) -> None:
    def pictures(root: str, *names: str) -> None:
        for name, colour in zip(names, (10, 120, 240), strict=True):
            folder = here / root / "train" / name
            folder.mkdir(parents=True)
            for number in range(20):
                Image.new("L", (8, 8), colour + number % 5).save(folder / f"{number}.png")

    pictures("one", "dark", "grey", "light")
    pictures("other", "c dark", "b grey", "a light")
    folder = ("data=image_folder", "data.cache_size=8", "model=mlp", "model.hidden=[16]")
    short = (*folder, "batch_size=16", "threads=1", "data.test=30%")
    done = call(*short, "data.root=one", "epochs=20", "optim.lr=0.1", "hydra.run.dir=first")
    assert done.code == 0, done.err
    names = ["dark", "grey", "light"]
    assert summary(here / "first")["classes"] == names
    newest = max((here / "first" / "checkpoints").iterdir())
    assert json.loads((newest / "manifest.json").read_text())["classes"] == names
    with safetensors.safe_open(newest / "model.safetensors", "pt") as file:
        assert json.loads(file.metadata()["classes"]) == names
    assert summary(here / "first")["test"]["top1"] == 1.0
    for letter, name in zip("cba", names, strict=True):
        (here / "other/train" / f"{letter} {name}").rename(here / "other/train" / name)
        (here / "one/train" / name).rename(here / "one/train" / f"{letter} {name}")
    still = (*short, *STILL, "max_steps=1", f"init_from={here / 'first'}")
    done = call(*still, "data.root=one", "hydra.run.dir=renamed")  # the same images, other order
    assert done.code == 0, done.err
    told = "the last layer (4) is new: no class of this run is among those of the weights, dark, "
    assert told in done.out
    (here / "other/train/grey").rename(here / "other/train/a new one")
    done = call(*still, "data.root=other", "hydra.run.dir=mapped")
    assert done.code == 0, done.err
    assert "the last layer (4) takes dark, light by name, has a new one new, leaves out" in done.out
    mine, given = (weights(here / run)["4.weight"] for run in ("mapped", "first"))
    assert torch.equal(mine[1:], given[[0, 2]])


def test_a_resumed_run_needs_them_no_more(call: Call, here: Path, donor: Path) -> None:
    overrides = (*TINY, f"init_from={donor}@4", "checkpoint.every=1st", "checkpoint.keep=all")
    assert call(*overrides, "hydra.run.dir=whole").code == 0
    stopped = here / "stopped"
    shutil.copytree(here / "whole", stopped)
    (stopped / "summary.json").unlink()
    shutil.rmtree(stopped / "checkpoints" / "step-00000008")
    shutil.rmtree(donor)
    ended = call("resume=stopped")
    assert ended.code == 0, ended.err
    assert "resumed at step 7 of 8" in ended.out
    for key in ("key", "weights_sha256", "weights_read", "test"):
        assert summary(stopped)[key] == summary(here / "whole")[key]
    ended = call("repeat=whole")
    assert ended.code == 4
    assert f"init_from: no run and no file at {donor}" in ended.err


def test_what_cannot_start_a_run_leaves_nothing(call: Call, here: Path, donor: Path) -> None:
    (here / "no weights.safetensors").write_bytes(b"no weights")
    before = snapshot(here)
    lines = {
        "init_from=nowhere": (4, f"no run and no file at {here}/nowhere"),
        f"init_from={here}": (4, f"no run at {here}"),
        f"init_from={donor}@7": (4, "no checkpoint of step 7 that verifies; it keeps: 8, 4"),
        "init_from=no weights.safetensors": (5, "no weights.safetensors is damaged"),
        "init_from=torchvision:IMAGENET1K_V1": (2, "is for model=torchvision, not model=mlp"),
        "init_from=": (2, "init_from must be a run's folder"),
        f"init_from={donor}": (2, "these weights do not fit the model"),
    }
    for word, (code, told) in lines.items():
        ended = call(*TINY, "model.hidden=[9]", word)
        assert ended.code == code, ended.err
        assert told in ended.err
        assert ended.err.count("\n") == 1
    assert snapshot(here) == before


def test_the_guide_s_commands_are_understood(here: Path) -> None:
    guide = (ROOT / "docs" / "howto" / "trained_weights.md").read_text()
    lines = [line for line in guide.splitlines() if line.startswith("python -m trainer")]
    for line in lines:
        compose(*shlex.split(line)[3:])
    assert len(lines) == 6
