"""SIGKILL before and after every operation on the disk: open, both halves of a write, fsync,
rename, unlink, mkdir, of configuration, metrics, checkpoints and summary."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

from tests.chaos.cells import words_of
from tests.chaos.hooks import watching
from tests.chaos.trial import Arena, Hook, assert_same, run_to_end, start
from trainer import checkpoint

QUICK, FULL = 24, 400


def dying(run: Path, number: int, after: bool) -> Hook:
    """Return a hook that kills the process at a point."""

    def act(mine: int, name: str, is_done: bool) -> None:
        if mine == number and is_done == after:
            os.kill(os.getpid(), signal.SIGKILL)

    return watching(run, act)


def points_of(arena: Arena, cell: int) -> int:
    """Return the number of operations of a cell's run."""
    key = f"points of cell {cell}"
    if key not in arena.counts:
        run = arena.fresh("points") / "run"
        words = [*words_of(arena.cells[cell]), f"hydra.run.dir={run}"]
        child = start(words, run.parent, dying(run, -1, False))
        numbers = []
        while lines := child.lines():
            numbers += [int(line.split()[1]) for line in lines if line.startswith("point")]
        assert child.wait() == 0, child.said
        arena.counts[key] = len(numbers)
        assert len(numbers) > 200, "the hook sees the protocol"
    return arena.counts[key]


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Crash at one point; what was committed must be found, and the run must end as ever."""
    cell = number % len(arena.cells)
    _, expected = arena.whole(cell)
    point, after = draw.randrange(points_of(arena, cell)), draw.random() < 0.5
    run = arena.fresh("crash") / "run"
    words = [*words_of(arena.cells[cell]), f"hydra.run.dir={run}"]
    child = start(words, run.parent, dying(run, point, after))
    name, committed = "", 0
    while lines := child.lines():
        for line in lines:
            if line.startswith(f"point {point} "):
                name = line.split(" ", 2)[2]
            if line.startswith("saved"):
                committed = max(committed, int(line.split()[1]))
    code = child.wait()
    told = f"cell {cell}, {'after' if after else 'before'} operation {point} ({name})"
    if code == 0:  # with threads or workers their number varies a little
        assert_same(run, expected, told)
        return f"{told}: not reached"
    assert code == -signal.SIGKILL, f"{told}: exit code {code}: {child.said}"
    arena.count("crash points")
    found, _ = checkpoint.newest(run / "checkpoints")
    assert (found.step if found else 0) >= committed, f"{told}: step {committed} is lost"
    if found is None:
        child = start([f"resume={run}"], run.parent)
        assert child.wait() == 4, f"{told}: {child.said}"
        return f"{told}: nothing was committed, code 4"
    run_to_end([f"resume={run}"], run.parent)
    assert_same(run, expected, told)
    return told
