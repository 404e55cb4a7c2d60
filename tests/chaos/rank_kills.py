"""SIGKILL to one rank of two, or to torchrun itself: nobody hangs, nobody is left, and the run goes
on to the end of one that was never stopped."""

from __future__ import annotations

import os
import random
import signal
import time

from tests.chaos.ranks import are_gone, children, run_ranks, start_ranks, wait_for
from tests.chaos.trial import Arena, assert_same, outcome

QUICK, FULL = 2, 60
LINES = (
    ("optim=adam", "average=ema", "mix=mixup", "precision=bf16"),
    ("optim=sgd", "average=swa", "average.start=20%", "average.every=4st", "accumulate=2"),
    ("optim=muon", "optim.ns_steps=2", "precision=fp16", "augment=[shift]", "scheduler=plateau"),
)
BASE = (
    *(
        "data=synthetic",
        "data.num_train=360",
        "data.val=40",
        "data.num_test=20",
        "data.image_shape=[1,8,8]",
    ),
    *("model=cnn", "model.width=8", "batch_size=16", "epochs=6", "threads=1"),
    *("checkpoint.every=4st", "checkpoint.keep=all", "strategy=ddp"),
)


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Kill a rank or the agent after some checkpoint, go on, and compare."""
    line = LINES[number % len(LINES)]
    whole = arena.root / f"ranks-{number % len(LINES)}" / "run"
    if not whole.exists():
        arena.fresh(whole.parent.name)
        code, said = run_ranks((*BASE, *line, f"hydra.run.dir={whole}"), whole.parent)
        assert code == 0, said
    run = arena.fresh("rank-kills") / "run"
    process = start_ranks((*BASE, *line, f"hydra.run.dir={run}"), run.parent)
    after = draw.randint(1, 20)
    assert wait_for(run, after, process), process.communicate()[0]
    time.sleep(draw.uniform(0.0, 0.05))
    ranks = children(process.pid)
    assert len(ranks) == 2, f"{ranks} are not two ranks"
    who = draw.choice(("rank 0", "rank 1", "torchrun"))
    victim = process.pid if who == "torchrun" else ranks[int(who[-1])]
    os.kill(victim, signal.SIGKILL)
    start = time.monotonic()
    process.communicate(timeout=150)
    took = time.monotonic() - start
    assert are_gone(ranks), f"{who} was killed, and ranks run on"
    told = f"{' '.join(line)}: {who} killed after {after} checkpoints, all gone in {took:.1f} s"
    code, said = run_ranks((f"resume={run}",), run.parent)
    assert code == 0, f"{told}: {said}"
    assert_same(run, outcome(whole), told)
    arena.count("kills of ranks or of torchrun")
    return told
