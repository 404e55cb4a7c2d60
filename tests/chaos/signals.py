"""SIGINT, SIGTERM, SIGUSR1, once or twice, to the process or to its whole group."""

from __future__ import annotations

import json
import random
import shlex
import signal
import time

from tests.chaos.cells import words_of
from tests.chaos.trial import Arena, assert_same, start

QUICK, FULL = 12, 100
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Stop a run by a signal, look at what it says, and resume it by the line it prints."""
    cell = number % len(arena.cells)
    _, expected = arena.whole(cell)
    run = arena.fresh("signals") / "run"
    signum, step = draw.choice(SIGNALS), draw.randint(4, expected["steps"] - 5)
    to_group, twice = draw.random() < 0.5, draw.random() < 0.3
    child = start([*words_of(arena.cells[cell]), f"hydra.run.dir={run}"], run.parent)
    told = f"cell {cell}, {signum.name}{' twice' * twice} at {step}{' to the group' * to_group}"
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
            assert line == ["python", "-m", "trainer", f"resume={run}"], told
    else:
        assert twice, f"{told}: no summary"
    child = start([f"resume={run}"], run.parent)
    assert child.wait() == 0, f"{told}: {child.said}"
    assert_same(run, expected, told)
    return told
