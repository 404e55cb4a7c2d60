"""A process that has imported everything and forks for each program: what takes seconds to start
takes tenths, and each run is still a process of its own, to be killed. What a program starts in
turn, torchrun's ranks and a sweep's workers, are forks as well.

Read by `serve`, one JSON object a line. To start: `words` of Python, `cwd`, `env` or null,
`session`, `out`, `err`, `network` or null, and `told` or null, a pipe's path that each checkpoint
is told to; answered by `pid`. After its end: `ended`, a pid; answered by `code`, minus the signal's
number of a killed process.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.command import PATIENCE_S, ROOT, TINY, environment
from tests.forked import Forked, fork_pythons


@dataclass(frozen=True)
class Ended:
    """How a forked run ended."""

    code: int
    out: str
    err: str
    span_s: float


class Running:
    """A forked program: what `Popen` is to one that was started.

    Attributes:
        pid: of its process.
        returncode: its exit code once it is known to have ended, minus the signal's number.
    """

    def __init__(self, server: Warm, pid: int, out: Path, err: Path) -> None:
        self.server = server
        self.pid = pid
        self.out = out
        self.err = err
        self.handle = os.pidfd_open(pid)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float = PATIENCE_S) -> int:
        """Wait for its end, and return its exit code.

        Raises:
            TimeoutExpired: if it takes longer.
        """
        if self.returncode is None:
            ended, _, _ = select.select([self.handle], [], [], timeout)
            if not ended:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            os.close(self.handle)
            self.returncode = int(self.server.ask(ended=self.pid)["code"])
        return self.returncode

    def communicate(self, timeout: float = PATIENCE_S) -> tuple[str, str]:
        """Wait for its end, and return what it wrote."""
        self.wait(timeout)
        return self.out.read_text(), self.err.read_text()

    def send_signal(self, signum: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Warm:
    """The server's client."""

    def __init__(
        self,
        path: Sequence[Path] = (ROOT,),
        python: Path | str = sys.executable,
        *,
        is_fixed: bool = True,
    ) -> None:
        """Start the server.

        Args:
            path: where the program and `tests` are found.
            python: of the environment that it runs in.
            is_fixed: whether the program's sources stay as they are. Where they are changed, what
                is forked runs them as they were, and reads them anew for what it says of them.
        """
        self.path = os.pathsep.join(map(str, path))
        self.process = subprocess.Popen(
            [str(python), "-c", f"from tests.warm import serve; serve({is_fixed})"],
            cwd=path[0],
            env={**environment(), "PYTHONPATH": self.path},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.numbers = itertools.count()

    def ask(self, **order: object) -> dict[str, Any]:
        """Give an order and return the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def start(
        self,
        words: Sequence[str],
        cwd: Path,
        *,
        env: Mapping[str, str] | None = None,
        session: bool = False,
        told: Path | None = None,
        network: str | None = None,
    ) -> Running:
        """Start Python with some words, `-m module ...` or a script's, and return at once.

        Args:
            words: as after `python`.
            cwd: its working folder.
            env: its environment, None for the one of tests.
            session: whether it leads a session and process group of its own.
            told: a named pipe that each checkpoint is told to.
            network: the network namespace that it runs in, None for this one's.
        """
        place = cwd.parent / f"warm-{self.process.pid}-{next(self.numbers)}"
        out, err = place.with_suffix(".out"), place.with_suffix(".err")
        answer = self.ask(
            words=list(words),
            cwd=str(cwd),
            env=None if env is None else dict(env),
            session=session,
            out=str(out),
            err=str(err),
            told=None if told is None else str(told),
            network=network,
        )
        return Running(self, int(answer["pid"]), out, err)

    def torchrun(self, words: Sequence[str], cwd: Path, **options: Any) -> Running:
        """Start torchrun, whose ranks are forks of it.

        Args:
            words: as after `torchrun`.
            cwd: its working folder.
            options: as of `start`.
        """
        return self.start(["-m", "torch.distributed.run", *words], cwd, **options)

    def run(
        self,
        overrides: Sequence[str],
        cwd: Path,
        *,
        kill: signal.Signals | None = None,
        after_s: float = 0.0,
    ) -> Ended:
        """Run a command line to its end, or until it is killed some time after a checkpoint.

        Returns:
            How it ended; `span_s` is the time from the first checkpoint to the end.
        """
        with first_checkpoint(cwd.parent) as told:
            running = self.start(["-m", "trainer", *overrides], cwd, told=told.path)
            select.select([told.end, running.handle], [], [])
            start = time.monotonic()
            if kill is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(after_s)
                running.send_signal(kill)
            out, err = running.communicate()
            assert running.returncode is not None
            return Ended(running.returncode, out, err, time.monotonic() - start)

    def close(self) -> None:
        """End the server."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE_S)
        self.process.stdout.close()


@dataclass(frozen=True)
class Told:
    """A named pipe, and the end of it that is read."""

    path: Path
    end: int


@contextlib.contextmanager
def first_checkpoint(place: Path) -> Iterator[Told]:
    """Give a pipe that can be read from the first checkpoint on."""
    path = place / "warm-told"
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # also to write, so that it never has an end
    try:
        yield Told(path, end)
    finally:
        os.close(end)
        path.unlink()


IMPORTED = (
    "torch._dynamo",  # the first optimizer of a process does
    "torch.distributed.elastic.agent.server.local_elastic_agent",
    "torch.utils.tensorboard",
    "trainer.optim.adam",
    "trainer.optim.sgd",
    "trainer.sweep.hydra_bridge",
    "trainer.sweep.worker",
)


def serve(is_fixed: bool) -> None:
    """Fork for every line until there are no more.

    Args:
        is_fixed: whether the program's sources stay as they are: then they are read once.
    """
    fork_pythons()
    for name in IMPORTED:
        importlib.import_module(name)
    import trainer.api
    import trainer.record.provenance
    from trainer.run.identity import sources_of

    config = trainer.api.compose(*TINY)  # finds Hydra's plugins, once
    trainer.record.provenance.git_state()  # cached from now on
    assert config.threads == 1
    if is_fixed:
        sources_of(config)

    running: dict[int, Forked] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "ended" in order:
            answer = {"code": running.pop(order["ended"]).wait()}
        else:
            process = begin(order)
            running[process.pid] = process
            answer = {"pid": process.pid}
        print(json.dumps(answer), flush=True)
    for process in running.values():  # of tests that failed
        process.kill()


def begin(order: dict[str, Any]) -> Forked:
    """Start the program of an order."""

    def first() -> None:
        if order["network"] is not None:
            enter_network(order["network"])
        if order["told"] is not None:
            tell_checkpoints(order["told"])

    with open(order["out"], "wb") as out, open(order["err"], "wb") as err:
        return Forked(
            [sys.executable, *order["words"]],
            cwd=order["cwd"],
            env=order["env"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=order["session"],
            first=first,
        )


def enter_network(name: str) -> None:
    """Let this process run in a network namespace, as `ip netns exec` does."""
    handle = os.open(f"/run/netns/{name}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(handle, 0):
        raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {name}")
    os.close(handle)


def tell_checkpoints(pipe: str) -> None:
    """Let this process tell of every checkpoint that it has."""
    from trainer.checkpoint import format as checkpoint

    write = checkpoint.write
    end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)

    def told(*args: object, **kwargs: object) -> object:
        done = write(*args, **kwargs)  # type: ignore[arg-type]
        with contextlib.suppress(OSError):  # who waits wants the first alone
            os.write(end, b"!")
        return done

    checkpoint.write = told  # type: ignore[assignment]
