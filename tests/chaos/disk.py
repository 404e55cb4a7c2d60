"""Disks that fail: an operation that meets ENOSPC, EDQUOT, EIO or EROFS, and all after it; and,
where this may mount, a real one that is full."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import re
from pathlib import Path

from tests.chaos.cells import overrides_of
from tests.chaos.crash_points import points_of
from tests.chaos.hooks import watching
from tests.chaos.trial import Arena, Child, Hook, assert_same, run_to_end, start
from trainer.checkpoint import format as checkpoint

QUICK, FULL = 8, 78
KINDS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


def failing(run: Path, number: int, kind: int) -> Hook:
    """Return a hook that lets an operation and all after it fail."""

    def act(mine: int, name: str, is_done: bool) -> None:
        is_removal = name.startswith(("unlink", "rmdir"))  # a full disk still lets go
        if mine >= number and not is_done and not (is_removal and kind != errno.EROFS):
            raise OSError(kind, os.strerror(kind))

    return watching(run, act, ignored=("events.",))


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Fail, look at message and checkpoints, make room, resume."""
    cell = number % len(arena.cells)
    _, expected = arena.whole(cell)
    folder = arena.fresh("disk")
    if number % 3 == 2 and (size := draw.randrange(40, 400)) and mount(folder, f"{size}k"):
        try:
            return filled(arena, cell, folder, size, expected)
        finally:
            unmount(folder)
    point, kind = draw.randrange(len(points_of(arena, cell))), draw.choice(KINDS)
    run = folder / "run"
    overrides = [*overrides_of(arena.cells[cell]), f"hydra.run.dir={run}"]
    child = start(overrides, folder, failing(run, point, kind))
    told = f"cell {cell}, {errno.errorcode[kind]} from operation {point} on"
    if child.wait() == 0:
        return f"{told}: not reached"
    look(arena, child, run, told)
    go_on(run, expected, told)
    return told


def filled(arena: Arena, cell: int, folder: Path, size: int, expected: dict[str, object]) -> str:
    """Run on a disk of so many kB, then on a larger one."""
    run = folder / "run"
    told = f"cell {cell}, a disk of {size} kB"
    outside = arena.fresh("outside")
    child = start([*overrides_of(arena.cells[cell]), f"hydra.run.dir={run}"], outside)
    if child.wait() == 0:
        return f"{told}: enough"
    look(arena, child, run, told)
    arena.count("disks that were full")
    assert mount(folder, "64m", remount=True)
    go_on(run, expected, told, outside)
    return told


def look(arena: Arena, child: Child, run: Path, told: str) -> None:
    """Check code, message and checkpoints of a run whose disk failed."""
    arena.count("disk faults")
    assert child.code == 74, f"{told}: exit code {child.code}: {child.said}"
    assert "Traceback" not in child.said, f"{told}: {child.said}"
    text = child.err.read_text()
    assert re.search(r"/.*: .*; \d+ bytes needed, \d+ bytes free", text), f"{told}: {text}"
    for path in checkpoint.folders(run / "checkpoints"):
        assert checkpoint.verify(path) is not None, f"{told}: {path.name} is damaged"


def go_on(run: Path, expected: dict[str, object], told: str, cwd: Path | None = None) -> None:
    """Resume, where there is something to go on from, and compare."""
    if not checkpoint.folders(run / "checkpoints"):
        return
    run_to_end([f"resume={run}"], cwd or run.parent)
    assert_same(run, expected, told)


def libc() -> ctypes.CDLL:
    """Return the system's library."""
    return ctypes.CDLL(None, use_errno=True)


def mount(folder: Path, size: str, *, remount: bool = False, read_only: bool = False) -> bool:
    """Put a small disk in memory there, or change what it is; return whether that is allowed
    here."""
    flags = 32 * remount + read_only  # MS_REMOUNT, MS_RDONLY
    options = f"size={size}".encode()
    return libc().mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options) == 0


def unmount(folder: Path) -> None:
    """Take the disk away, whoever still looks at it."""
    libc().umount2(os.fsencode(folder), 2)  # MNT_DETACH
