"""A process that has imported everything and forks for each command line: what takes seconds to
start takes tenths, and each run is still a process of its own, to be killed.

Read by `serve`, one JSON object a line: `words`, `cwd`, and for a kill `signal` and `after_s`,
counted from the run's first checkpoint. Answered by one line: `code` (minus the signal's number of
a killed process), `out`, `err`, and `span_s`, the time from the first checkpoint to the end.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests.command import TINY, environment
from tests.forked import be_run


@dataclass(frozen=True)
class Ended:
    """How a forked run ended."""

    code: int
    out: str
    err: str
    span_s: float


class Warm:
    """The server's client."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from tests.warm import serve; serve()"],
            env=environment(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run(
        self,
        overrides: Sequence[str],
        cwd: Path,
        *,
        kill: signal.Signals | None = None,
        after_s: float = 0.0,
    ) -> Ended:
        """Run a command line to its end, or until it is killed some time after a checkpoint."""
        order = {"words": list(overrides), "cwd": str(cwd), "signal": kill, "after_s": after_s}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return Ended(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        """End the server."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


def serve() -> None:
    """Fork for every line until there are no more."""
    import trainer.api
    import trainer.checkpoint.format
    import trainer.optim.adam
    import trainer.optim.sgd
    import trainer.record.provenance
    import trainer.sweep.hydra_bridge

    config = trainer.api.compose(*TINY)  # finds Hydra's plugins, once
    trainer.record.provenance.git_state()  # cached from now on
    assert config.threads == 1

    for line in sys.stdin:
        order = json.loads(line)
        cwd = Path(order["cwd"])
        out, err = cwd.parent / "warm.out", cwd.parent / "warm.err"
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            become(order, write_end, out, err)
        os.close(write_end)
        code, span_s = attend(child, read_end, order)
        answer = {"code": code, "out": out.read_text(), "err": err.read_text(), "span_s": span_s}
        print(json.dumps(answer), flush=True)


def become(order: dict[str, Any], write_end: int, out: Path, err: Path) -> NoReturn:
    """Be the run: answer the command line and leave, telling of the first checkpoint."""
    from trainer.checkpoint import format as checkpoint

    write = checkpoint.write

    def told(*args: object, **kwargs: object) -> object:
        done = write(*args, **kwargs)  # type: ignore[arg-type]
        os.write(write_end, b"!")
        return done

    def first() -> None:
        checkpoint.write = told  # type: ignore[assignment]

    be_run(order["words"], Path(order["cwd"]), out, err, first=first)


def attend(child: int, read_end: int, order: dict[str, object]) -> tuple[int, float]:
    """Wait for a run's end, killing it in time; return its exit code and how long it lasted."""
    handle = os.pidfd_open(child)
    select.select([read_end], [], [])  # a checkpoint, or the end
    start = time.monotonic()
    if order["signal"] is not None:
        ended, _, _ = select.select([handle], [], [], float(str(order["after_s"])))
        if not ended:
            os.kill(child, int(str(order["signal"])))
    _, status = os.waitpid(child, 0)
    os.close(handle)
    os.close(read_end)
    return os.waitstatus_to_exitcode(status), time.monotonic() - start
