"""SIGKILL before and after every operation on the disk: open, both halves of a write, fsync,
rename, unlink, mkdir, of configuration, metrics, checkpoints and summary."""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Iterable
from pathlib import Path

from tests.chaos.cells import overrides_of
from tests.chaos.hooks import watching
from tests.chaos.trial import Arena, Hook, assert_same, run_to_end, start
from trainer.checkpoint import format as checkpoint

QUICK, FULL = 12, 220


def dying(run: Path, number: int, after: bool) -> Hook:
    """Return a hook that kills the process at a point."""

    def act(mine: int, name: str, is_done: bool) -> None:
        if mine == number and is_done == after:
            os.kill(os.getpid(), signal.SIGKILL)

    return watching(run, act)


def kinds_of(names: Iterable[str]) -> dict[str, list[int]]:
    """Return the numbers of operations by kind: the name without what differs from run to run, and
    for writing and flushing what it is done to."""
    found: dict[str, list[int]] = {}
    subject = ""
    for number, name in enumerate(names):
        verb, _, target = re.sub(r"-[0-9a-f]+", "", name).partition(" ")
        is_named = "." in target or target.startswith(("step", "run", "checkpoints", "tensorb"))
        subject = f"{verb} {target}" if is_named else subject
        kind = subject if is_named else f"{verb} {target}".strip() + f" after {subject}"
        found.setdefault(kind, []).append(number)
    return found


def points_of(arena: Arena, cell: int) -> list[str]:
    """Return the operations of a cell's run."""
    if cell not in arena.points:
        run = arena.fresh("points") / "run"
        overrides = [*overrides_of(arena.cells[cell]), f"hydra.run.dir={run}"]
        child = start(overrides, run.parent, dying(run, -1, False))
        names = []
        while lines := child.lines():
            names += [line.split(" ", 2)[2] for line in lines if line.startswith("point")]
        assert child.wait() == 0, child.said
        arena.points[cell] = names
        assert len(names) > 200, "the hook sees the protocol"
    return arena.points[cell]


def choose(arena: Arena, cell: int, number: int, draw: random.Random) -> tuple[int, str, bool]:
    """Return an operation of a cell's run, its kind, and whether the crash is after it: trials one
    after the other take all kinds in turn, before and after."""
    kinds = kinds_of(points_of(arena, cell))
    both = [(kind, after) for kind in sorted(kinds) for after in (False, True)]
    for kind, after in both:
        arena.count(f"crash point: {'after' if after else 'before'} {kind}", 0)
    kind, after = both[number % len(both)]
    return draw.choice(kinds[kind]), kind, after


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Crash at one point; what was committed must be found, and the run must end as ever."""
    cell = number % len(arena.cells)
    _, expected = arena.whole(cell)
    point, kind, after = choose(arena, cell, number, draw)
    run = arena.fresh("crash") / "run"
    overrides = [*overrides_of(arena.cells[cell]), f"hydra.run.dir={run}"]
    child = start(overrides, run.parent, dying(run, point, after))
    names, committed = [], 0
    while lines := child.lines():
        names += [line.split(" ", 2)[2] for line in lines if line.startswith("point ")]
        saved = [int(line.split()[1]) for line in lines if line.startswith("saved")]
        committed = max([committed, *saved])
    code = child.wait()
    told = f"cell {cell}, {'after' if after else 'before'} operation {point} ({kind})"
    if code == 0:  # with threads or workers their number varies a little
        assert_same(run, expected, told)
        return f"{told}: not reached"
    assert code == -signal.SIGKILL, f"{told}: exit code {code}: {child.said}"
    met = next((k for k, points in kinds_of(names).items() if point in points), kind)
    arena.count("crash points")
    arena.count(f"crash point: {'after' if after else 'before'} {met}")
    found, _ = checkpoint.newest(run / "checkpoints")
    assert (found.step if found else 0) >= committed, f"{told}: step {committed} is lost"
    if found is None:
        child = start([f"resume={run}"], run.parent)
        assert child.wait() == 4, f"{told}: {child.said}"
        return f"{told}: nothing was committed, code 4"
    run_to_end([f"resume={run}"], run.parent)
    assert_same(run, expected, told)
    return told
