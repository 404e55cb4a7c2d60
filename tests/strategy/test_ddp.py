"""Two processes under torchrun train one run: the same weights as one process, one folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from tests.command import Call
from tests.warm import Warm

FP64 = (
    *("data=synthetic", "data.num_train=200", "data.num_test=21", "data.image_shape=[1,8,8]"),
    *("model=lenet5", "precision=fp64", "batch_size=16", "max_steps=50", "epochs=5"),
    *("scheduler=cosine", "optim.lr=0.05", "augment=[shift]", "threads=1"),
    *("mix=mixup_or_cutmix", "mix.partners=independent", "mix.lambda_per=sample"),
    # half through the run the processes stop exchanging what is frozen
    "optim.groups=[{match:bias,lr:2,scheduler:plateau},{match:first,freeze_after:25st}]",
)
TAUGHT = (*FP64, "init_from=teacher@3", "loss=distill", "loss.teacher=teacher", "tta=flip")
EVERYTHING = (
    *("data=synthetic", "data.num_train=133", "data.num_test=21", "data.image_shape=[1,8,8]"),
    *("model=cnn", "model.width=4", "batch_size=16", "epochs=2", "accumulate=2", "mix=mixup"),
    *("average=ema", "augment=[standard]", "clip_norm=1.0", "precision=bf16", "threads=1"),
    *("checkpoint.every=3st", "checkpoint.keep=all"),
    "optim.groups=[{match:first,freeze_after:4st}]",
)

# Three batches of clean images for two processes; a step that moves nothing.
WHITENED = (
    *("data=synthetic", "data.num_train=1500", "data.num_test=21", "data.image_shape=[3,9,9]"),
    *("model=airnet", "model.width=2", "init=[dirac,whiten]", "precision=fp64", "max_steps=1"),
    *("optim.lr=1e-15", "threads=1"),
)

RUNS = """
import os, pathlib, shutil, sys
import torch
from trainer.cli import main as cli
here, *words = sys.argv[1:]
names = ("fp64", "everything", "whitened")
lines = [line.split() for line in " ".join(words).split(" -- ")]
lines = [[*line, f"hydra.run.dir={here}/{name}"] for name, line in zip(names, lines, strict=True)]
for line in (*lines, [f"resume={here}/cut"]):
    code = cli.exit_code(line)
    if code:
        break
    if os.environ["RANK"] == "0" and line is lines[-1]:  # what a killed run would have left
        cut = pathlib.Path(shutil.copytree(f"{here}/everything", f"{here}/cut"))
        (cut / "summary.json").unlink()
        for later in sorted((cut / "checkpoints").iterdir())[2:]:
            shutil.rmtree(later)
    torch.distributed.barrier()
cli.leave_group(code)
"""


def torchrun(warm: Warm, here: Path, *words: str) -> tuple[int, str, str]:
    """Run two processes to their end; return torchrun's code, output and errors."""
    line = ["--standalone", "--nproc-per-node=2", *words]
    process = warm.torchrun(line, here)
    out, err = process.communicate()
    return process.wait(), out, err


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Return the final weights of a run."""
    newest = max((run / "checkpoints").iterdir())
    return safetensors.torch.load_file(newest / "model.safetensors")


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_two_processes_equal_one_and_leave_one_folder(
    here: Path, call: Call, warm: Warm, tmp_path: Path
) -> None:
    few = ("max_steps=5", "seed=1", "checkpoint.every=3st", "checkpoint.keep=all")
    overrides = [w for w in FP64 if not w.startswith(("max_steps", "optim.groups"))]
    assert call(*overrides, *few, "hydra.run.dir=teacher").code == 0
    script = tmp_path / "runs.py"  # one, so that starting is paid once
    script.write_text(RUNS)
    lines = [*TAUGHT, "--", *EVERYTHING, "--", *WHITENED]
    code, printed, err = torchrun(warm, here, str(script), str(here), *lines)
    assert code == 0, err[-3000:]
    assert sorted(p.name for p in here.iterdir()) == [
        *("cut", "everything", "fp64", "teacher", "whitened")
    ]
    check_fp64(here, call)
    check_everything(here / "everything", printed)
    check_whitened(here, call)
    check_resumed(here / "cut", here / "everything")


def check_fp64(here: Path, call: Call) -> None:
    one = here / "one"
    assert call(*TAUGHT, f"hydra.run.dir={one}").code == 0
    assert len(summary(one)["weights_read"]) == 2
    assert summary(one)["weights_read"] == summary(here / "fp64")["weights_read"]
    both, alone = weights(here / "fp64"), weights(one)
    assert set(both) == set(alone)
    assert len(both) == 10
    for name, tensor in alone.items():
        assert tensor.dtype == torch.float64
        assert (tensor - both[name]).abs().max() < 1e-10, name
    assert summary(here / "fp64")["steps"] == 50
    assert summary(here / "fp64")["world_size"] == 2
    assert summary(here / "fp64")["test"]["top1"] == summary(one)["test"]["top1"]
    assert summary(here / "fp64")["test"]["loss"] == pytest.approx(
        summary(one)["test"]["loss"], abs=1e-9
    )
    for ours, single in zip(rows(here / "fp64"), rows(one), strict=True):
        for key in ("epoch", "step", "lr", "momentum", "train_top1", "val_top1", "val_top5"):
            assert ours[key] == pytest.approx(single[key], abs=1e-12), key
        for key in ("train_loss", "val_loss", "grad_norm"):
            assert ours[key] == pytest.approx(single[key], abs=1e-9), key


def check_whitened(here: Path, call: Call) -> None:
    one = here / "one whitened"
    assert call(*WHITENED, f"hydra.run.dir={one}").code == 0
    both, alone = weights(here / "whitened"), weights(one)
    trained = [name for name in alone if "running" not in name]  # statistics: of each one's images
    assert len(trained) == 1 + 7 + 12 + 1 + 6  # bias, convolutions, norms, linear, counters
    for name in trained:
        assert (alone[name] - both[name]).abs().max() < 1e-10, name


def check_resumed(run: Path, whole: Path) -> None:
    """Step 6 is inside an epoch, where each process has BatchNorm statistics of its own, and after
    a group was frozen."""
    assert "resumed at step 6 of 16" in (run / "run.log").read_text()
    assert summary(run)["weights_sha256"] == summary(whole)["weights_sha256"]
    for key in ("val_loss", "train_loss", "avg_val_loss"):
        assert [row[key] for row in rows(run)] == [row[key] for row in rows(whole)], key


def check_everything(run: Path, printed: str) -> None:
    found = summary(run)
    assert found["status"] == "completed"
    # 21 test images: an odd number, each counted once by one of two processes
    for key in ("test", "test_avg"):
        counted = found[key]["top1"] * 21
        assert counted == pytest.approx(round(counted), abs=1e-9)
    val = [row["val_top1"] * 13 for row in rows(run)]
    assert val == pytest.approx([round(v) for v in val], abs=1e-9)
    assert [row["step"] for row in rows(run)] == [8, 16]
    log = (run / "run.log").read_text()
    assert log.count("epoch 1/2") == log.count("epoch 2/2") == 1
    assert printed.count("epoch 2/2") == 2  # and once by the run that goes on from a part of it
    assert len(list((run / "tensorboard").iterdir())) >= 1
    assert not (run / ".lock").exists()
    assert len(list((run / "checkpoints").iterdir())) >= 5
    saved = torch.load(
        max((run / "checkpoints").iterdir()) / "state.pt", weights_only=True, map_location="cpu"
    )
    assert len(saved["ranks"]) == 2


@pytest.mark.slow
def test_a_mistake_under_torchrun_is_reported_once_and_leaves_nothing(
    here: Path, warm: Warm
) -> None:
    code, _, err = torchrun(warm, here, "-m", "trainer", *FP64, "batch_size=15")
    assert code == 1  # torchrun's own
    assert err.count("error: batch_size=15") == 1
    assert "trainer/" not in err.replace("trainer/batch", "")  # no traceback of ours
    assert list(here.iterdir()) == []
