"""SIGKILL between a run's first and its last step, up to three times; what is left goes on and ends
as if nothing had been."""

from __future__ import annotations

import random
import signal
import time

from tests.chaos.cells import overrides_of
from tests.chaos.trial import Arena, assert_same, start

QUICK, FULL = 16, 160


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Kill, resume, kill ... and compare."""
    cell = number % len(arena.cells)
    _, expected = arena.whole(cell)
    run = arena.fresh("kills") / "run"
    order = [*overrides_of(arena.cells[cell]), f"hydra.run.dir={run}"]
    total, wanted, at = expected["steps"], draw.randint(1, 3), []
    code = None
    while code != 0:
        child = start(order, run.parent)
        if len(at) < wanted:
            # a step of those that are left; then an instant of the time that one takes
            low = at[-1] if at else 1
            step = draw.randint(low, total - 1)

            def is_there(line: str, step: int = step) -> bool:
                return line.startswith("step") and int(line.split()[1]) >= step

            if child.until(is_there):
                time.sleep(draw.uniform(0, 0.006))
                child.kill()
        code = child.wait()
        assert code in (0, -signal.SIGKILL), f"exit code {code}: {child.said}"
        assert "Traceback" not in child.said, child.said
        if code != 0:
            at.append(step)
            is_kept = any((run / "checkpoints").glob("step-*")) if run.is_dir() else False
            if is_kept:
                order = [f"resume={run}"]
            else:  # before the first checkpoint there is nothing to go on from
                at[-1] = 1
                run = run.with_name(f"run-{len(at)}")
                order = [*overrides_of(arena.cells[cell]), f"hydra.run.dir={run}"]
    assert_same(run, expected)
    arena.count("kills between first and last step", len(at))
    return f"cell {cell}, killed after {', '.join(map(str, at)) or 'nothing'}"
