"""SIGINT, SIGTERM, SIGUSR1, once or twice, to the process or to its whole group, between steps
or in an evaluation."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import signal
import time

from tests.chaos.cells import overrides_of
from tests.chaos.trial import Arena, Hook, Tell, assert_same, start
from tests.stopping import watched

QUICK, FULL = 10, 104
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
KEPT = contextlib.ExitStack()  # what a hook changes, for the rest of its process


def in_evaluation(number: int, signum: int, to_group: bool) -> Hook:
    """Return a hook that lets the run send itself a signal with a batch that is evaluated."""

    def hook(tell: Tell) -> None:
        seen, process = [0], os.getpid()

        def count() -> None:
            seen[0] += 1
            if seen[0] == number:
                (os.killpg if to_group else os.kill)(process, signum)
                tell("signalled")

        KEPT.enter_context(watched(count))  # until the process ends

    return hook


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Stop a run by a signal, look at what it says, and resume it by the line it prints."""
    cell = number % len(arena.cells)
    _, expected = arena.whole(cell)
    run = arena.fresh("signals") / "run"
    signum, step = draw.choice(SIGNALS), draw.randint(4, expected["steps"] - 5)
    to_group, twice = draw.random() < 0.5, draw.random() < 0.3
    batch = 0 if draw.random() < 0.5 else draw.randint(1, 5)
    overrides = [*overrides_of(arena.cells[cell]), f"hydra.run.dir={run}"]
    child = start(overrides, run.parent, in_evaluation(batch, signum, to_group) if batch else None)
    where = f"batch {batch} of evaluations" if batch else f"{step}"
    told = f"cell {cell}, {signum.name}{' twice' * twice} at {where}{' to the group' * to_group}"
    if batch:
        assert child.until(lambda line: line == "signalled"), f"{told}: {child.said}"
        arena.count("signals in an evaluation")
    else:
        assert child.until(lambda line: line == f"step {step}" or line == f"step {step + 1}"), told
        child.kill(signum, group=to_group)
    if twice:
        time.sleep(draw.uniform(0, 0.003))
        child.kill(signum, group=to_group)
    code = child.wait()
    assert "Traceback" not in child.said, f"{told}: {child.said}"
    assert code in (128 + signum, -signum if twice else 128 + signum), f"{told}: exit code {code}"
    arena.count("signals")
    if (run / "summary.json").exists():
        summary = json.loads((run / "summary.json").read_text())
        assert summary["status"] == "interrupted", told
        assert summary["exit_code"] == code or twice, told
        assert (run / "checkpoints" / f"step-{summary['steps']:08d}").is_dir(), told
        if not twice:
            line = shlex.split(child.err.read_text().strip().splitlines()[-1])
            assert line == ["python", "-m", "trainer", f"resume={run.name}"], told
    else:
        assert twice, f"{told}: no summary"
    child = start([f"resume={run}"], run.parent)
    assert child.wait() == 0, f"{told}: {child.said}"
    assert_same(run, expected, told)
    return told
