"""Whole runs: what was chosen is what happened, and the record says so."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.command import TINY, Call, snapshot
from trainer import compose, read_runs, train
from trainer.core.errors import Diverged
from trainer.record.runs import RunRow, read_run

HARD = (
    *("data=synthetic", "data.num_train=320", "data.num_test=50", "data.image_shape=[1,8,8]"),
    *("data.noise=0.8", "model=mlp", "model.hidden=[16]", "batch_size=32", "threads=1"),
)


def finished(call: Call, *overrides: str) -> RunRow:
    """Run a command line to its end and return its record."""
    done = call(*overrides, "hydra.run.dir=run")
    assert done.code == 0, done.err
    return read_run(Path("run"))


def weights(call: Call, name: str, *overrides: str) -> str:
    done = call(*overrides, f"hydra.run.dir={name}")
    assert done.code == 0, done.err
    digest: str = read_run(Path(name)).summary["weights_sha256"]
    return digest


@pytest.mark.slow
def test_the_loss_falls_and_the_network_learns(call: Call) -> None:
    row = finished(call, *HARD, "data.noise=0.3", "epochs=8", "optim.lr=0.05")
    losses = [e.train_loss for e in row.epochs]
    assert losses[-1] < 0.3 * losses[0]
    assert row.test is not None
    assert row.test["top1"] > 0.9


@pytest.mark.slow
def test_cosine_and_adam_leave_the_closed_form_in_the_rows(call: Call) -> None:
    row = finished(call, *HARD, "scheduler=cosine", "optim=adam", "epochs=4", "optim.lr=0.003")
    total = row.epochs[-1].step
    assert total == 36  # 288 images after val, 9 steps an epoch
    for e in row.epochs:
        expected = 0.003 * 0.5 * (1 + math.cos(math.pi * (e.step - 1) / total))
        assert e.lr == pytest.approx(expected, rel=1e-12)
        assert e.momentum == 0.9  # beta1


@pytest.mark.slow
def test_fractional_epochs_end_where_they_say(call: Call) -> None:
    row = finished(call, *HARD, "epochs=2.5", "scheduler=cosine")
    assert [e.step for e in row.epochs] == [9, 18, 23]  # 22.5 steps, a half up
    assert row.epochs[-1].epoch == pytest.approx(23 / 9)
    assert row.summary["steps"] == 23


@pytest.mark.slow
def test_averaged_weights_are_others_and_are_evaluated(call: Call) -> None:
    row = finished(call, *HARD, "average=swa", "epochs=4", "average.start=50%")
    assert [e.avg_val_top1 is not None for e in row.epochs] == [False, False, True, True]
    assert row.test_avg is not None
    assert row.test is not None
    assert row.test_avg["loss"] != row.test["loss"]


@pytest.mark.parametrize(
    "word", ["mix=mixup", "mixup=on", "precision=bf16", "clip_norm=0.1", "loss.label_smoothing=0.1"]
)
@pytest.mark.slow
def test_a_trick_moves_the_weights(call: Call, word: str) -> None:
    assert weights(call, "with", *TINY, word) != weights(call, "without", *TINY)


@pytest.mark.slow
def test_averaging_leaves_the_training_alone(call: Call) -> None:
    assert call(*TINY, "hydra.run.dir=plain").code == 0
    plain = read_run(Path("plain"))
    for word in ("average=swa", "average=ema"):
        done = call(*TINY, word, "average.start=1st", "average.every=1st", f"hydra.run.dir={word}")
        assert done.code == 0, done.err
        row = read_run(Path(word))
        assert [e.train_loss for e in row.epochs] == [e.train_loss for e in plain.epochs]
        assert row.test == plain.test
        assert row.test_avg is not None


@pytest.mark.slow
def test_torchvision_s_networks_train(call: Call) -> None:
    overrides = ("data=synthetic", "data.num_train=40", "data.num_test=10", "max_steps=2")
    row = finished(call, "model=torchvision", "model.arch=resnet18", *overrides, "batch_size=16")
    assert row.summary["steps"] == 2
    assert row.settings["model.arch"] == "resnet18"


@pytest.mark.slow
def test_repeating_a_run_of_other_choices_gives_the_same_weights(call: Call) -> None:
    overrides = (
        *("data=synthetic", "data.num_train=64", "data.num_test=20", "data.image_shape=[1,8,8]"),
        *("augment=[shift]", "model=mlp", "model.hidden=[8]", "optim=adam", "scheduler=step"),
        *("average=ema", "mix=mixup", "loss.label_smoothing=0.1", "precision=bf16"),
        *("strategy=single", "seed=3", "epochs=1.5", "batch_size=16", "accumulate=2"),
        *("clip_norm=1.0", "threads=1", "name=mine", "checkpoint.every=3st"),
    )
    first = call(*overrides)
    assert first.code == 0, first.err
    (run,) = read_runs("outputs")
    again = call(f"repeat={run.path}")
    assert again.code == 0, again.err
    rows = read_runs("outputs")
    assert len(rows) == 2
    assert len({r.summary["weights_sha256"] for r in rows}) == 1
    assert len({r.key for r in rows}) == 1
    assert len({json.dumps(r.config) for r in rows}) == 1
    changed = call(f"repeat={run.path}", "optim.lr=0.01", "hydra.run.dir=changed")
    assert changed.code == 0, changed.err
    row = read_run(Path("changed"))
    differing = {k for k, v in row.settings.items() if v != run.settings[k]}
    assert differing == {"optim.lr"}


@pytest.mark.slow
def test_what_must_not_matter_does_not(call: Call) -> None:
    base = weights(call, "a", *TINY, "average=ema")
    for name, overrides in {
        "b": ("checkpoint.every=1st", "checkpoint.keep=all"),
        "c": ("name=other", "report_test=false"),
        "d": ("average.eval_every=2ep",),
        "e": ("data.resident_share=0", "data.workers=1"),
        "f": ("data.resident_share=0",),
    }.items():
        assert weights(call, name, *TINY, "average=ema", *overrides) == base, overrides


@pytest.mark.slow
def test_seeds_move_the_weights_and_not_the_split(call: Call) -> None:
    assert weights(call, "a", *TINY) != weights(call, "b", *TINY, "seed=1")
    config = compose(*TINY)
    other = compose(*TINY, "seed=1")
    assert config.data == other.data


@pytest.mark.slow
def test_training_on_everything_offers_no_validation(call: Call) -> None:
    overrides = [w for w in TINY if not w.startswith("data.num_test")]
    row = finished(call, *overrides, "data.val=0", "data.num_test=20000")  # takes milliseconds
    assert all(e.val_loss is None and e.val_top1 is None for e in row.epochs)
    assert "best_val_top1" not in row.summary
    assert "best_checkpoint" not in row.summary
    assert row.test is not None
    assert row.seconds["eval"] > 0  # of the test images


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_with_code_3_and_is_recorded(call: Call) -> None:
    done = call(*TINY, "model.norm=none", "optim.lr=1e30", "hydra.run.dir=run")
    assert done.code == 3
    assert done.err.count("error: training diverged") == 1
    assert "Traceback" not in done.err
    row = read_run(Path("run"))
    assert (row.status, row.summary["exit_code"]) == ("diverged", 3)
    for folder in Path("run/checkpoints").glob("step-*"):
        import safetensors.torch

        tensors = safetensors.torch.load_file(folder / "model.safetensors")
        assert all(bool(t.isfinite().all()) for t in tensors.values())


@pytest.mark.slow
def test_divergence_is_told_with_what_may_help(call: Call) -> None:
    done = call(*HARD, "model.norm=none", "optim.lr=1e30", "epochs=1")
    assert done.code == 3
    assert "task=lr_range" in done.err


@pytest.mark.slow
def test_a_batch_larger_than_the_data_is_said(call: Call) -> None:
    done = call(*HARD, "batch_size=500", "epochs=1")
    assert done.code == 0, done.err
    assert "batch_size=500 is more than the 288 training images" in done.out


@pytest.mark.slow
def test_scores_that_are_not_finite_are_divergence_and_no_numbers(call: Call) -> None:
    wide = [w for w in TINY if not w.startswith("model.hidden")]
    overrides = ("model.norm=none", "model.hidden=[8,8]", "optim.lr=1e18", "max_steps=1")
    for name, val in (("val", "10%"), ("test", "0")):
        done = call(*wide, *overrides, f"data.val={val}", f"hydra.run.dir={name}")
        assert done.code == 3, done.out
        row = read_run(Path(name))
        assert row.status == "diverged"
        assert "loss at step 0 is not finite" in done.err
        assert "NaN" not in (Path(name) / "summary.json").read_text()


@pytest.mark.slow
def test_a_bug_ends_with_code_1_and_its_traceback_in_the_log(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.loss.cross_entropy import CrossEntropy

    def broken(self: object, logits: object, batch: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(CrossEntropy, "__call__", broken)
    done = call(*TINY, "hydra.run.dir=run")
    assert done.code == 1
    assert done.err.startswith("error: ZeroDivisionError: a bug (see")
    assert "Traceback" not in done.err
    log = Path("run/run.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert read_run(Path("run")).status == "failed"


@pytest.mark.slow
def test_a_full_disk_ends_with_code_74_and_leaves_earlier_checkpoints(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from trainer.checkpoint import format as checkpoint

    write, written = checkpoint.write_bytes, []

    def full(path: Path, content: bytes) -> None:
        written.append(path)
        if len(written) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(checkpoint, "write_bytes", full)
    done = call(*TINY, "checkpoint.every=2st", "hydra.run.dir=run")
    assert done.code == 74
    assert "bytes needed" in done.err
    assert "Traceback" not in done.err
    (kept,) = Path("run/checkpoints").iterdir()
    assert checkpoint.verify(kept) is not None


@pytest.mark.slow
def test_the_same_from_python_and_quietly(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    row = train(compose(*TINY), folder=here / "run", quiet=True)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert row.status == "completed"
    assert row.test is not None
    assert read_run(here / "run").key == row.key
    assert "epoch 2/2" in (here / "run" / "run.log").read_text()
    with pytest.raises(Diverged):
        train(compose(*TINY, "model.norm=none", "optim.lr=1e30"), folder=here / "nan", quiet=True)


@pytest.mark.slow
def test_paths_with_odd_characters_work_unquoted(call: Call, here: Path) -> None:
    folder = "a=b, [c] dé"
    done = call(*TINY, f"hydra.run.dir={folder}", f"data.root={folder}")
    assert done.code == 0, done.err
    assert (here / folder / "summary.json").is_file()
    again = call(f"repeat={folder}", "hydra.run.dir=again")
    assert again.code == 0, again.err
    assert read_run(here / "again").settings["data.root"] == str(here / folder)


@pytest.mark.slow
def test_the_loop_takes_the_steps_of_a_hand_written_one(here: Path) -> None:
    """Plain PyTorch over the same batches ends with the same bits."""
    from trainer.core.environment import World
    from trainer.loop import fit
    from trainer.run.assemble import assemble
    from trainer.run.device import prepare

    overrides = (*HARD, "epochs=3", "scheduler=cosine", "scheduler.warmup=5st", "clip_norm=0.5")
    config = compose(*overrides)
    ours, _ = assemble(config, *prepare(config, World()))
    for _ in fit(ours):
        pass
    theirs, _ = assemble(config, *prepare(config, World()))
    model, total = theirs.model.train(), theirs.total
    group: dict[str, Any] = {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    optimizer = torch.optim.SGD(model.parameters(), **group, fused=True)
    step = 0
    for epoch in range(3):
        for (batch,) in theirs.data.train_steps(epoch, 0):
            progress = max(step - 5, 0) / (total - 5)
            scale = 0.5 * (1 + math.cos(math.pi * progress)) if step >= 5 else (step + 1) / 5
            optimizer.param_groups[0]["lr"] = 0.05 * scale
            optimizer.zero_grad()
            images = theirs.ready(batch).images
            torch.nn.functional.cross_entropy(model(images), batch.labels).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5, foreach=True)
            optimizer.step()
            step += 1
    assert step == total == 27
    for a, b in zip(ours.model.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
def test_nothing_is_left_where_nothing_was_asked_for(call: Call, here: Path) -> None:
    for overrides in (("--help",), ("--version",), ("--cfg", "job"), ("--cfg", "job", "--resolve")):
        done = call(*overrides)
        assert done.code == 0, done.err
        assert done.out
    assert snapshot(here) == {}


@pytest.mark.slow
def test_names_of_any_bytes_reach_the_record(call: Call, here: Path) -> None:
    names = ["a\nb", os.fsdecode(b"caf\xe9"), "\u202e\u5b66", "'\"$(rm)"]
    for place, name in enumerate(names):
        folder = here / "d" / "train" / name
        folder.mkdir(parents=True)
        for number in range(6):
            colour = (place * 40, number, 9)
            Image.new("RGB", (4, 4), colour).save(folder / f"\udcff{number}\n.png")
    (here / "d" / os.fsdecode(b"\xff\n.txt")).write_text("not read")
    words = ("data=image_folder", "data.root=d", "data.cache_size=4", "model=mlp", "max_steps=1")
    row = finished(call, *words, "batch_size=8", "threads=1")
    classes = [r"caf\udce9" if name.startswith("caf") else name for name in names]
    assert row.summary["classes"] == sorted(classes)
    assert r"not read in" in (here / "run" / "run.log").read_text(encoding="utf-8")
    (here / "d" / "train" / names[0]).rename(here / "d" / "train" / "z\nz")
    done = call(*words, "batch_size=8", "threads=1", "init_from=run", "optim.lr=1e-9")
    assert done.code == 0, done.err
    assert r"has z\nz new, leaves out a\nb" in done.out


@pytest.mark.slow
def test_a_run_that_ends_no_better_than_a_guess_says_so(call: Call) -> None:
    hopeless = (*HARD, "epochs=1", "optim.lr=1e-9", "model.norm=none", "data.noise=1", "seed=1")
    for overrides, what in (((), "validation"), (("data.val=0",), "test")):
        done = call(*hopeless, *overrides)
        assert done.code == 0, done.err
        assert f"{what} loss 2." in done.out
        assert "are no better than guessing (2.303 and 1" in done.out
    assert "guessing" not in call(*HARD, "epochs=4", "data.noise=0.3", "optim.lr=0.05").out
