"""A fork begins with the state of another run, in a folder of its own, and says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import TINY, Call, snapshot
from tests.run.test_resume_allow import EVERY, cut, summary
from trainer.checkpoint import format as checkpoint

PARTS = ("optim=adam", "average=ema", "precision=fp16", "mix=mixup", "scheduler=cosine")


def rows(run: Path) -> list[dict[str, Any]]:
    kept = ("step", "lr", "train_loss", "train_top1", "val_loss", "loss_scale", "avg_val_loss")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k in kept} for line in lines]


@pytest.mark.parametrize("step", [3, 4, 6])  # within an epoch, at its end, within the next
@pytest.mark.slow
def test_unchanged_it_ends_as_the_run_did(call: Call, here: Path, step: int) -> None:
    assert call(*EVERY, *PARTS, "hydra.run.dir=run").code == 0
    before = snapshot(here / "run")
    done = call(f"fork=run@{step}", "hydra.run.dir=forked")
    assert done.code == 0, done.err
    assert f"forked from {here / 'run'} at step {step} of 8" in done.out
    one, other = summary(here / "run"), summary(here / "forked")
    assert one["weights_sha256"] == other["weights_sha256"]
    assert rows(here / "run")[-len(rows(here / "forked")) :] == rows(here / "forked")
    assert other["forked_from"] == {"run": str(here / "run"), "step": step, "key": one["key"]}
    assert other["key"] != one["key"]
    assert f"fork: {here / 'run'}@{step}" in (here / "forked" / "config.yaml").read_text()
    assert snapshot(here / "run") == before
    first = min((here / "forked" / "checkpoints").iterdir())
    assert first.name == f"step-{step:08d}"
    # killed and resumed, it needs the other run no more; repeated, it is the same
    (here / "run").rename(here / "away")
    assert call(f"resume={cut(here / 'forked', step)}").code == 0
    assert summary(here / "forked")["weights_sha256"] == one["weights_sha256"]
    assert summary(here / "forked")["forked_from"] == other["forked_from"]
    assert summary(here / "forked")["key"] == other["key"]
    gone = call("repeat=forked", "hydra.run.dir=again")
    assert gone.code == 4
    assert "no run at" in gone.err
    (here / "away").rename(here / "run")
    assert call("repeat=forked", "hydra.run.dir=again").code == 0
    assert summary(here / "again")["key"] == other["key"]
    assert summary(here / "again")["weights_sha256"] == one["weights_sha256"]


@pytest.mark.slow
def test_what_is_free_changes_and_takes_effect(call: Call, here: Path) -> None:
    assert call(*EVERY, "hydra.run.dir=run").code == 0
    seen = {summary(here / "run")["weights_sha256"]}
    for number, overrides in enumerate(
        (
            ("optim.lr=0.2",),
            ("optim.momentum=0.5", "optim.weight_decay=0.01"),
            ("epochs=4",),
            ("scheduler=cosine", "scheduler.warmup=1st"),
            ("scheduler=plateau", "epochs=5"),
            ("average=swa", "average.start=4st", "epochs=3"),
            ("mix=mixup",),
            ("augment=[shift]",),
            ("seed=5",),
            ("precision=bf16",),
            ("precision=fp16",),
            ("accumulate=2", "clip_norm=0.01", "loss.label_smoothing=0.1"),
        )
    ):
        done = call("fork=run@6", *overrides, f"hydra.run.dir=fork-{number}")
        assert done.code == 0, (overrides, done.err)
        told = summary(here / f"fork-{number}")
        assert told["weights_sha256"] not in seen, overrides
        seen.add(told["weights_sha256"])
        steps = 8 if "epochs" not in " ".join(overrides) else told["steps"]
        assert told["steps"] == steps
        assert told["forked_from"]["step"] == 6
    averaged = json.loads((here / "fork-5" / "metrics.jsonl").read_text().splitlines()[-1])
    assert "avg_val_loss" in averaged


@pytest.mark.slow
def test_the_end_and_the_best_of_a_run_can_be_gone_on_from(call: Call, here: Path) -> None:
    assert call(*TINY, "average=ema", "hydra.run.dir=run").code == 0
    done = call("fork=run", "epochs=3", "hydra.run.dir=longer")
    assert done.code == 0, done.err
    assert [row["step"] for row in rows(here / "longer")] == [12]
    best = summary(here / "run")["best_checkpoint"]
    step = int(best.rpartition("-")[2])
    assert call("fork=run@best", "epochs=3", "hydra.run.dir=best").code == 0
    assert summary(here / "best")["forked_from"]["step"] == step
    assert call(f"fork=run/{best}", "epochs=3", "hydra.run.dir=named").code == 0
    assert summary(here / "named")["forked_from"]["step"] == step


REFUSED = {
    "model.hidden=[9]": "model.hidden=[9] (was [8])",
    "model=cnn": "model.name=cnn (was mlp)",
    "optim=adam": "optim.name=adam (was sgd)",
    "optim.momentum=0 optim.nesterov=false": "optim.momentum=0.0 (was 0.9)",
    "optim.groups=[no_bias_decay]": "optim.groups=",
    "batch_size=8": "batch_size=8 (was 16)",
    "data.val=0": "data.val=0 (was 10%)",
    "data.num_train=32": "data.num_train=32 (was 64)",
    "init=dirac": "init=",
    "precision=fp64": "keeps weights in torch.float64",
    "max_steps=4": "this one has only 4 steps",
    "repeat=run": "name one of them",
}


@pytest.mark.slow
def test_what_does_not_fit_is_refused_and_leaves_nothing(call: Call, here: Path) -> None:
    assert call(*EVERY, "hydra.run.dir=run").code == 0
    before = snapshot(here)
    for word, text in REFUSED.items():
        refused = call("fork=run@4", *word.split(), "hydra.run.dir=forked")
        assert refused.code == 2, (word, refused.err)
        assert text in refused.err, (word, refused.err)
        assert "Traceback" not in refused.err
    for value, code, text in (
        ("run@5000", 4, "no checkpoint of step 5000 that verifies; it keeps: 8, 7"),
        ("run@average", 2, "averaged weights have no state"),
        ("nowhere@3", 4, "no run at"),
        ("torchvision:IMAGENET1K_V1", 2, "is no run"),
        ("w.safetensors", 2, "is no run"),
    ):
        refused = call(f"fork={value}", "hydra.run.dir=forked")
        assert refused.code == code, (value, refused.err)
        assert text in refused.err, (value, refused.err)
    refused = call("-m", "fork=run@4", "seed=0,1")
    assert refused.code == 2
    assert snapshot(here) == before


@pytest.mark.slow
def test_only_what_verifies_is_forked_from(call: Call, here: Path) -> None:
    assert call(*EVERY, "hydra.run.dir=run").code == 0
    (here / "run" / "checkpoints" / "step-00000004" / "state.pt").write_bytes(b"torn")
    refused = call("fork=run@4", "hydra.run.dir=forked")
    assert refused.code == 4
    assert "checkpoint.keep=N or all keeps more" in refused.err
    assert checkpoint.verify(here / "run" / "checkpoints" / "step-00000005") is not None
    assert call("fork=null", *TINY, "hydra.run.dir=plain").code == 0
