"""A run that was stopped, however, and goes on ends with the same bits as one that was not."""

from __future__ import annotations

import json
import random
import shlex
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.command import TINY, Call
from tests.warm import Warm

# 38 steps an epoch, the last a smaller one; three hundred in all, a checkpoint at every tenth
LONG = (
    "data=synthetic",
    "data.num_train=720",
    "data.num_test=20",
    "data.image_shape=[1,8,8]",
    "batch_size=16",
    "max_steps=300",
    "checkpoint.every=10st",
    "threads=1",
)
SMALL = ("model=mlp", "model.hidden=[16]", "epochs=9.5")
# the one kind of network with a generator whose state a checkpoint must keep
DROPOUT = ("model=wide_resnet", "model.depth=10", "model.widen_factor=1", "model.dropout=0.3")
CELLS: dict[str, tuple[str, ...]] = {
    "plain": (*SMALL, "scheduler=cosine"),
    "adam_ema_mixup_fp16": (
        *(*SMALL, "scheduler=step", "optim=adam", "average=ema", "mix=mixup"),
        *("accumulate=2", "precision=fp16", "precision.init_scale=1e9"),
        "precision.growth_interval=20",
    ),
    "swa_bf16": (
        *(*SMALL, "scheduler=cyclic", "average=swa", "average.start=20%", "average.every=7st"),
        *("mix=mixup", "precision=bf16", "optim=muon", "optim.ns_steps=2"),
        "optim.groups=[{match:bias,scheduler:{name:plateau,patience:0ep,threshold:0.9}}]",
    ),
    "adam_o2_accumulate": (
        *(*SMALL, "scheduler=exponential", "optim=adam", "precision=O2", "accumulate=4"),
        *("augment=[shift,standard]", "optim.weight_decay=0.01"),
        "optim.groups=[no_bias_decay,{match:first,scheduler:cosine,freeze_after:40%}]",
    ),
    "dropout_ema": (
        *(*DROPOUT, "scheduler=cosine", "scheduler.warmup=15st", "average=ema"),
        *("average.start=10st", "average.every=3st", "max_steps=90", "checkpoint.every=5st"),
    ),
    "dropout_swa_adam": (
        *(*DROPOUT, "scheduler=constant", "optim=adam", "average=swa", "average.start=10%"),
        *("average.every=4st", "mix=mixup", "precision=bf16", "accumulate=2", "max_steps=60"),
        *("clip_norm=1.0", "checkpoint.every=5st"),
    ),
}
KILLS = {"plain": 4, "adam_ema_mixup_fp16": 4}  # and three of each other: twenty
MEASURED = {"images_per_s", "train_s", "average_s", "eval_s", "max_memory_bytes"}


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


def rows(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics, without what is measured in time and memory."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in MEASURED} for line in lines]


def assert_same(run: Path, whole: Path) -> None:
    """Check that two finished runs agree in everything but time."""
    assert summary(run)["weights_sha256"] == summary(whole)["weights_sha256"]
    assert rows(run) == rows(whole)
    for key in ("status", "key", "steps", "test", "best_val_top1", "best_checkpoint"):
        assert summary(run)[key] == summary(whole)[key], key
    assert summary(run).get("test_avg") == summary(whole).get("test_avg")
    kept = [sorted(p.name for p in (r / "checkpoints").iterdir()) for r in (run, whole)]
    assert kept[0] == kept[1]


def kill_and_resume(
    warm: Warm, overrides: Sequence[str], here: Path, kills: int, draw: random.Random
) -> None:
    """Kill a run again and again at random moments; then let it end and compare."""
    whole = here / "whole"
    done = warm.run([*overrides, f"hydra.run.dir={whole}"], here)
    assert done.code == 0, done.err
    killed, attempt, order = 0, 0, [""]
    while killed < kills:
        run = here / f"killed-{attempt}"
        if not run.exists():
            order = [*overrides, f"hydra.run.dir={run}"]
        after_s = draw.uniform(0.0, done.span_s / (kills + 1))
        ended = warm.run(order, here, kill=signal.SIGKILL, after_s=after_s)
        if ended.code == 0:  # it was faster than the signal
            assert_same(run, whole)
            attempt += 1
            continue
        assert ended.code == -signal.SIGKILL, ended.err
        killed += 1
        order = [f"resume={run}"]
        assert not (run / "summary.json").exists()
    ended = warm.run([f"resume={run}"], here)
    assert ended.code == 0, ended.err
    assert "resumed at step" in ended.out
    assert_same(run, whole)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_killed_runs_end_with_the_same_weights(warm: Warm, here: Path, cell: str) -> None:
    draw = random.Random(f"kill {cell}")
    kill_and_resume(warm, [*LONG, *CELLS[cell]], here, KILLS.get(cell, 3), draw)


def test_the_kills_are_twenty() -> None:
    assert sum(KILLS.get(cell, 3) for cell in CELLS) == 20


@pytest.mark.slow
def test_a_signal_saves_and_prints_the_line_that_goes_on(warm: Warm, here: Path) -> None:
    overrides = [*LONG, *CELLS["adam_ema_mixup_fp16"], "checkpoint.every=25st"]
    whole = here / "whole"
    assert warm.run([*overrides, f"hydra.run.dir={whole}"], here).code == 0
    for signum, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)):
        run = here / f"a run, stopped by {signum}"
        stopped = warm.run([*overrides, f"hydra.run.dir={run}"], here, kill=signum)
        assert stopped.code == code, stopped.err
        assert "Traceback" not in stopped.err + stopped.out
        told = summary(run)
        assert told["status"] == "interrupted"
        assert told["exit_code"] == code
        assert "resume=" in told["message"]
        assert 25 <= told["steps"] < 300
        assert "weights_sha256" not in told
        assert (run / "checkpoints" / f"step-{told['steps']:08d}" / "manifest.json").is_file()
        assert "stopped at step" in (run / "run.log").read_text()
        line = shlex.split(stopped.err.strip().splitlines()[-1])
        assert line[:3] == ["python", "-m", "trainer"]
        assert line[3] == f"resume={run.relative_to(Path.cwd())}"
        resumed = warm.run(line[3:], here)
        assert resumed.code == 0, resumed.err
        assert f"resumed at step {told['steps']} of 300" in resumed.out
        assert_same(run, whole)


@pytest.mark.slow
def test_resuming_a_finished_run_prints_its_table_and_changes_nothing(
    warm: Warm, here: Path
) -> None:
    from tests.command import snapshot

    run = here / "run"
    assert warm.run([*TINY, f"hydra.run.dir={run}"], here).code == 0
    before = snapshot(here)
    again = warm.run([f"resume={run}"], here)
    assert again.code == 0, again.err
    assert "finished already" in again.out
    assert "top-1" in again.out
    assert snapshot(here) == before


@pytest.mark.slow
def test_resume_refuses_other_words_threads_and_a_missing_checkpoint(
    warm: Warm, here: Path
) -> None:
    run = here / "run"
    overrides = [*LONG, *SMALL, f"hydra.run.dir={run}"]
    assert warm.run(overrides, here, kill=signal.SIGKILL).code == -signal.SIGKILL
    refused = warm.run([f"resume={run}", "optim.lr=0.5"], here)
    assert refused.code == 2
    assert "optim.lr=0.5" in refused.err
    same = warm.run([f"resume={run}", "batch_size=16", "threads=2"], here)
    assert same.code == 2
    assert "threads=2 (was 1)" in same.err
    manifest = next((run / "checkpoints").glob("step-*/manifest.json"))
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "threads": 3}))
    for other in (run / "checkpoints").glob("step-*/manifest.json"):
        if other != manifest:
            other.unlink()
    other_threads = warm.run([f"resume={run}"], here)
    assert other_threads.code == 2
    assert "threads=3" in other_threads.err
    manifest.unlink()
    nothing = warm.run([f"resume={run}"], here)
    assert nothing.code == 4
    assert "no checkpoint" in nothing.err
    assert not (run / "summary.json").exists()


def killed(warm: Warm, here: Path, name: str, *overrides: str) -> Path:
    """Return a run that was killed after a checkpoint."""
    run = here / name
    ended = warm.run([*LONG, *SMALL, *overrides, f"hydra.run.dir={run}"], here, kill=signal.SIGKILL)
    assert ended.code == -signal.SIGKILL, ended.err
    return run


@pytest.mark.slow
def test_a_checkpoint_of_another_run_or_an_edited_configuration_is_refused(
    warm: Warm, here: Path
) -> None:
    first = killed(warm, here, "first")
    other = killed(warm, here, "other", "seed=1", "optim.lr=0.2")
    (first / "checkpoints").rename(here / "own")
    shutil.copytree(other / "checkpoints", first / "checkpoints")
    swapped = warm.run([f"resume={first}"], here)
    assert swapped.code == 2
    assert "is of another run" in swapped.err
    text = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(text.replace("lr: 0.2", "lr: 0.5"))
    edited = warm.run([f"resume={other}"], here)
    assert edited.code == 2
    assert "is of another run" in edited.err
    manifest = max((other / "checkpoints").iterdir()) / "manifest.json"
    (other / "config.yaml").write_text(text)
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "sources": "0" * 64}))
    changed = warm.run([f"resume={other}"], here)
    assert changed.code == 2
    assert "sources of this program or of a plugin that it depends on" in changed.err
    manifest.write_text(json.dumps(content))
    assert warm.run([f"resume={other}"], here).code == 0


@pytest.mark.slow
def test_other_parts_beside_resume_are_refused_by_one_message(warm: Warm, here: Path) -> None:
    run = killed(warm, here, "run")
    for word in ("optim=adam", "average=ema", "augment=[shift]", "model=cnn", "precision=fp16"):
        refused = warm.run([f"resume={run}", word], here)
        assert refused.code == 2, refused.err
        assert refused.err.count("error: ") == 1
        assert word.split("=")[0] in refused.err
        assert "Traceback" not in refused.err


@pytest.mark.slow
def test_what_a_writer_left_that_was_killed_at_the_very_end_goes(call: Call, here: Path) -> None:
    assert call(*TINY, "hydra.run.dir=run").code == 0
    (here / "run" / ".lock").write_text("process 1")
    (here / "run" / ".summary.json-0123abcd").write_text("half")
    again = call("resume=run")
    assert "finished already" in again.out
    assert not list((here / "run").glob(".*"))
