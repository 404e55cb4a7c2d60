"""Runs that fork from this process, which has imported everything, and what they must agree in."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tests.chaos.cells import Cell, matrix, overrides_of
from tests.forked import be_run
from trainer.checkpoint import format as checkpoint

PATIENCE_S = 1800  # a machine may stop a process of low priority for minutes
MEASURED = {"images_per_s", "train_s", "average_s", "eval_s", "max_memory_bytes"}
UNEQUAL = {"train_s", "seconds"}  # of a checkpoint's state: times
Tell = Callable[[str], None]
Hook = Callable[[Tell], None]  # what is done in a run's process before it begins


def prepare() -> None:
    """Import what runs need, once."""
    import torch._dynamo  # the first optimizer of a process does

    import trainer.api
    import trainer.optim.adam
    import trainer.record.provenance
    import trainer.record.tensorboard
    import trainer.sweep.hydra_bridge

    torch.set_num_threads(1)
    trainer.api.compose(*overrides_of(matrix(0)[0]))  # finds Hydra's plugins
    trainer.record.provenance.git_state()  # cached from now on


def adopt_orphans() -> None:
    """Let this process be the parent of what its runs leave behind, so that it is seen."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER


@dataclass
class Child:
    """A run in a process of its own, the leader of its group.

    Attributes:
        pid: of the process.
        pipe: its lines on steps and points come from here.
        out: file of standard output; `err` likewise.
    """

    pid: int
    pipe: int
    out: Path
    err: Path
    rest: bytes = b""
    code: int | None = None

    def lines(self) -> list[str]:
        """Return lines that were told since; wait for the first. Empty once the run has ended."""
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.pipe], [], [], PATIENCE_S)
            assert ready, "a run said nothing for half an hour"
            chunk = os.read(self.pipe, 65536)
            if not chunk:
                return []
            self.rest += chunk
        whole, _, self.rest = self.rest.rpartition(b"\n")
        return whole.decode().split("\n")

    def until(self, is_it: Callable[[str], bool]) -> bool:
        """Wait for a line; return False if the run ended without it."""
        while lines := self.lines():
            if any(map(is_it, lines)):
                return True
        return False

    def kill(self, signum: int = signal.SIGKILL, *, group: bool = False) -> None:
        """Send a signal, to the process or to all of its group."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, signum)

    def wait(self) -> int:
        """Return the exit code, minus the signal's number if one killed it; check that nothing of
        the group outlives it."""
        while self.lines():
            pass
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        deadline = time.monotonic() + 60
        while has_members(self.pid):
            assert time.monotonic() < deadline, "a worker outlived its run"
            time.sleep(0.005)
        return self.code

    @property
    def said(self) -> str:
        """All that it printed."""
        return self.out.read_text() + self.err.read_text()


def has_members(group: int) -> bool:
    """Return whether a process group has living members; those that ended are reaped."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def start(overrides: Sequence[str], cwd: Path, hook: Hook | None = None) -> Child:
    """Start a command line in a fork of this process."""
    number = time.monotonic_ns()
    out, err = cwd / f".out-{number}", cwd / f".err-{number}"
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    pid = os.fork()

    def first() -> None:
        os.close(read_end)
        os.setsid()
        for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def tell(text: str) -> None:
            os.write(write_end, f"{text}\n".encode())

        tell_steps(tell)
        if hook is not None:
            hook(tell)

    if not pid:
        be_run(overrides, cwd, out, err, first=first)
    os.close(write_end)
    return Child(pid, read_end, out, err)


def tell_steps(tell: Tell) -> None:
    """Let this process tell of every step that it has done and of every checkpoint that it has."""
    from trainer.checkpoint.saver import Action
    from trainer.run.runner import Runner

    action, write, process = Runner.action, checkpoint.write, os.getpid()

    def told_step(self: Runner) -> Action:
        if os.getpid() == process:
            tell(f"step {self.run.state.step}")
        return action(self)

    def told_write(root: Path, step: int, *rest: Any) -> checkpoint.Checkpoint:
        done = write(root, step, *rest)
        tell(f"saved {step}")
        return done

    Runner.action = told_step  # type: ignore[method-assign]
    checkpoint.write = told_write  # type: ignore[assignment]


def run_to_end(overrides: Sequence[str], cwd: Path) -> None:
    """Run a command line that must succeed."""
    child = start(overrides, cwd)
    code = child.wait()
    assert code == 0, f"exit code {code}: {child.said}"
    assert "Traceback" not in child.said


@dataclass
class Arena:
    """Where attacks take place.

    Attributes:
        root: a folder that is empty at first.
        seed: of the matrix.
        cells: configurations.
        counts: what was done, by name, for the table at the end.
        wholes: what `whole` made, by cell.
        points: operations on the disk of a cell's run.
    """

    root: Path
    seed: int
    cells: list[Cell] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    wholes: dict[int, tuple[Path, dict[str, Any]]] = field(default_factory=dict)
    points: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cells = self.cells or matrix(self.seed)

    def count(self, what: str, number: int = 1) -> None:
        """Add to what was done."""
        self.counts[what] = self.counts.get(what, 0) + number

    def fresh(self, name: str) -> Path:
        """Return an empty folder."""
        path = self.root / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def whole(self, cell: int) -> tuple[Path, dict[str, Any]]:
        """Return a cell's run that was never stopped, and what it ended with; made once."""
        if cell not in self.wholes:
            run = self.fresh(f"whole-{cell}") / "run"
            run_to_end([*overrides_of(self.cells[cell]), f"hydra.run.dir={run}"], run.parent)
            self.wholes[cell] = (run, outcome(run))
        return self.wholes[cell]


def outcome(run: Path) -> dict[str, Any]:
    """Return everything about a finished run that does not depend on how long it took."""
    summary = json.loads((run / "summary.json").read_text())
    found, damaged = checkpoint.newest(run / "checkpoints")
    assert found is not None
    assert damaged == []
    kept = ("status", "key", "steps", "test", "test_avg", "best_val_top1", "weights_sha256")
    return {
        **{name: summary.get(name) for name in (*kept, "best_checkpoint")},
        **{f"state {k}": plain_digest(v) for k, v in found.state().items() if k not in UNEQUAL},
        "weights": checkpoint.digest(found.weights(), found.averaged()),
        "rows": rows(run),
        "checkpoints": sorted(p.name for p in (run / "checkpoints").iterdir()),
        "left over": sorted(p.name for p in run.iterdir() if p.name.startswith(".")),
    }


def rows(run: Path) -> list[dict[str, Any]]:
    """Return a run's metrics without what is measured."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in MEASURED} for line in lines]


def plain_digest(value: Any) -> str:
    """Return the SHA-256 of plain data with tensors in it."""
    total = hashlib.sha256()

    def add(part: Any) -> None:
        total.update(type(part).__name__.encode())
        if isinstance(part, dict):
            for key in sorted(part, key=str):
                total.update(str(key).encode())
                add(part[key])
        elif isinstance(part, (list, tuple)):
            for item in part:
                add(item)
        elif isinstance(part, torch.Tensor):
            total.update(checkpoint.digest({"": part}).encode())
        else:
            total.update(repr(part).encode())

    add(value)
    return total.hexdigest()


def assert_same(run: Path, expected: dict[str, Any], what: str = "the resumed run") -> None:
    """Check that a run ended as the one that was never stopped."""
    found = outcome(run)
    differing = [name for name in expected if found[name] != expected[name]]
    assert not differing, f"{what} differs in {differing}: " + "; ".join(
        f"{name}: {found[name]} for {expected[name]}" for name in differing[:2]
    )
