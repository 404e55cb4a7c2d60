"""The newest checkpoint damaged: bits, pages, lengths, tensors, files of another step or run.

Never is anything else loaded than what was saved.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import safetensors.torch

from tests.chaos.cells import overrides_of
from tests.chaos.trial import Arena, assert_same, plain_digest, run_to_end, start
from trainer.checkpoint import format as checkpoint

QUICK, FULL = 40, 1000
THROUGH_THE_PROGRAM = 20  # one trial in so many resumes; the others read


def killed(arena: Arena, cell: int, name: str, *overrides: str) -> Path:
    """Return a run that was killed after two thirds; made once."""
    run = arena.root / f"{name}-{cell}" / "run"
    if not run.exists():
        arena.fresh(f"{name}-{cell}")
        order = [*overrides_of(arena.cells[cell]), *overrides, "checkpoint.keep=all"]
        child = start([*order, f"hydra.run.dir={run}"], run.parent)
        assert child.until(lambda line: line == "saved 27"), child.said
        child.kill()
        assert child.wait() == -signal.SIGKILL
    return run


def loaded(root: Path) -> tuple[int, str] | None:
    """Return the step of what would be loaded, and its contents' sum."""
    found, _ = checkpoint.newest(root)
    if found is None:
        return None
    parts: list[Any] = [found.weights(), found.averaged(), found.state()]
    return found.step, plain_digest(parts)


def swap_tensors(file: Path, draw: random.Random) -> bool:
    """Exchange two tensors of one shape; return whether there were two that differ."""
    tensors = safetensors.torch.load(file.read_bytes())
    names = sorted(tensors)
    pairs = [
        (a, b)
        for a in names
        for b in names
        if a < b and tensors[a].shape == tensors[b].shape and not tensors[a].equal(tensors[b])
    ]
    if not pairs:
        return False
    a, b = draw.choice(pairs)
    tensors[a], tensors[b] = tensors[b], tensors[a]
    file.write_bytes(safetensors.torch.save(tensors))
    return True


def damage(newest: Path, before: Path, other: Path, draw: random.Random) -> str:
    """Damage a checkpoint in one way and return which; `before` is the one before it, `other` the
    same step's of another run."""
    file = draw.choice(sorted(newest.iterdir()))
    content = bytearray(file.read_bytes())
    kind = draw.choice(
        ["bit", "page", "cut", "longer", "gone", "empty", "swap", "step", "run", "manifest"]
    )
    if kind == "swap" and not swap_tensors(newest / "model.safetensors", draw):
        kind = "bit"
    if kind == "bit":
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif kind == "page":
        low = draw.randrange(len(content)) // 4096 * 4096
        if not any(content[low : low + 4096]):
            low = 0
        content[low : low + 4096] = bytes(len(content[low : low + 4096]))
    elif kind == "cut":
        del content[draw.randrange(len(content)) :]
    elif kind == "longer":
        content += draw.randbytes(draw.randint(1, 100))
    elif kind == "empty":
        content.clear()
    elif kind in ("step", "run"):
        content = bytearray(((before if kind == "step" else other) / file.name).read_bytes())
    elif kind == "manifest":
        file = newest / "manifest.json"
        content = bytearray((draw.choice((before, other)) / "manifest.json").read_bytes())
    if kind == "gone":
        file.unlink()
    elif kind != "swap":
        file.write_bytes(content)
    return f"{kind} of {file.name}"


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Damage, then read; sometimes resume to the end."""
    is_whole = number % THROUGH_THE_PROGRAM == 0
    cell = number // THROUGH_THE_PROGRAM % len(arena.cells)
    run, other = killed(arena, cell, "killed"), killed(arena, cell, "other", "seed=9")
    copy = arena.fresh("corrupt") / "run"
    shutil.copytree(run, copy)
    newest, second = checkpoint.folders(copy / "checkpoints")[:2]
    counterpart = other / "checkpoints" / newest.name
    if not counterpart.is_dir():  # killed a step earlier
        counterpart = checkpoint.folders(other / "checkpoints")[0]
    right = {int(newest.name[5:]): loaded(copy / "checkpoints")}
    shutil.rmtree(arena.root / "aside", ignore_errors=True)
    newest.rename(arena.root / "aside")
    right[int(second.name[5:])] = loaded(copy / "checkpoints")
    (arena.root / "aside").rename(newest)
    kind = damage(newest, second, counterpart, draw)
    found = loaded(copy / "checkpoints")
    assert found is not None, f"{kind}: nothing verifies"
    assert found == right.get(found[0]), f"{kind}: step {found[0]} was loaded with other contents"
    arena.count("corruptions")
    if found[0] == int(newest.name[5:]):
        assert_harmless(newest, run / "checkpoints" / newest.name, kind)
        arena.count("corruptions that hit no byte of meaning")
    if is_whole:
        through_the_program(arena, cell, copy, kind)
    return f"cell {cell}, {kind}" + (", resumed" if is_whole else "")


def assert_harmless(damaged: Path, whole: Path, kind: str) -> None:
    """Check that a checkpoint that still verifies has all its sums: another manifest may differ in
    what it says besides."""
    sums = [json.loads((p / "manifest.json").read_text())["files"] for p in (damaged, whole)]
    assert sums[0] == sums[1], f"{kind}: verified with other sums"


def through_the_program(arena: Arena, cell: int, run: Path, kind: str) -> None:
    """Resume a damaged run to its end; a manifest that still verifies may be refused instead."""
    text = (run / "config.yaml").read_text()
    child = start([f"resume={run}"], run.parent)
    code = child.wait()
    assert "Traceback" not in child.said, f"{kind}: {child.said}"
    if code == 0:
        _, expected = arena.whole(cell)
        kept = {k: v for k, v in expected.items() if k != "checkpoints"}  # this one keeps all
        assert_same(run, kept, kind)
        arena.count("corruptions through the program")
    else:
        assert code in (2, 4), f"{kind}: exit code {code}: {child.said}"
        assert (run / "config.yaml").read_text() == text
        assert not (run / "summary.json").exists()
        shutil.rmtree(max((run / "checkpoints").glob("step-*")))
        run_to_end([f"resume={run}"], run.parent)
