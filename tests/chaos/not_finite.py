"""Numbers that are not finite, wherever they come from: the run ends as diverged, at a step that it
names, and no checkpoint holds one."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path

from tests.chaos.poison import SITES, install
from tests.chaos.ranks import run_ranks
from tests.chaos.trial import Arena, Tell, start
from trainer.checkpoint import format as checkpoint

QUICK, FULL = 7, 42
TOGETHER = 7  # of so many trials, the last is on one of two ranks
PER_EPOCH, STEPS = 8, 24
LINE = (
    *("data=synthetic", "data.num_train=160", "data.num_test=20", "data.image_shape=[1,8,8]"),
    *("data.val=32", "model=cnn", "model.width=8", "batch_size=16", "epochs=3", "threads=1"),
    *("average=ema", "average.start=1st", "average.every=1st", "checkpoint.every=3st"),
    *("checkpoint.keep=all", "plugins=[tests.chaos.poison]"),
)


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Turn one number into nan, in a run of one process or on one rank of two."""
    is_many = number % TOGETHER == TOGETHER - 1
    site = draw.choice(SITES) if is_many else SITES[number % len(SITES)]
    step, rank = draw.randrange(2, STEPS), draw.randrange(1 + is_many)
    told = f"{site} at step {step}" + f" on rank {rank} of 2" * is_many
    run = arena.fresh("not-finite") / "run"
    poison = f"{site},{step},{rank}"
    overrides = (*LINE, f"hydra.run.dir={run}")
    if is_many:
        code, said = run_ranks(overrides, run.parent, POISON=poison)
    else:

        def hook(tell: Tell) -> None:
            os.environ["POISON"] = poison
            install()

        child = start(overrides, run.parent, hook)
        code, said = child.wait(), child.said
    assert code == (1 if is_many else 3), f"{told}: exit code {code}: {said[-2000:]}"
    look(run, step, told)
    assert 'File "' not in said or is_many, f"{told}: a traceback was printed"
    arena.count("numbers that were not finite")
    return told


def look(run: Path, step: int, told: str) -> None:
    """Check how a poisoned run ended, and its checkpoints."""
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["status"], summary["exit_code"]) == ("diverged", 3), f"{told}: {summary}"
    named = re.search(r"step (\d+)", summary["message"])
    end = (step // PER_EPOCH + 1) * PER_EPOCH
    assert named, f"{told}: {summary['message']}"
    assert step <= int(named[1]) <= end, f"{told}: {summary['message']}"
    for folder in checkpoint.folders(run / "checkpoints"):
        found = checkpoint.verify(folder)
        assert found is not None, f"{told}: {folder.name} does not verify"
        for tensors in (found.weights(), found.averaged()):
            wrong = [k for k, t in tensors.items() if not bool(t.isfinite().all())]
            assert not wrong, f"{told}: {folder.name} holds {wrong}"
