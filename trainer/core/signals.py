"""Ends of processes: signals that stop a run at the end of a step, and how one of several processes
leaves the others."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import ClassVar

# SIGHUP: the terminal was closed. Windows has neither that nor SIGUSR1
HANDLED = [s for s in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, s)]

PR_SET_PDEATHSIG = 1  # of the kernel's linux/prctl.h


class StopWhileWaiting(Exception):
    """A run that waits for images is to stop; no step is under way."""


class Stops:
    """While active in the main thread, the first signal sets `signum`; a second one ends the
    process at once, unless it is another SIGHUP of a closed terminal.

    Attributes:
        signum: of the signal, 0 before it.
        is_alone: whether the run has one process, which may stop wherever no step is under way.
    """

    requested: ClassVar[int] = 0  # by `request`, also where no run was active then
    active: ClassVar[Stops | None] = None

    def __init__(self) -> None:
        self.signum = 0
        self.is_alone = False
        self._is_waiting = False
        self._before: dict[int, object] = {}

    @classmethod
    def request(cls, signum: int) -> None:
        """Stop this process's run, or the next one, as a signal would; from any thread."""
        cls.requested = signum
        if cls.active is not None:
            cls.active.signum = signum

    @classmethod
    @contextlib.contextmanager
    def waiting(cls) -> Iterator[None]:
        """Wait for what may never come: a signal ends that, in a run of one process.

        Raises:
            StopWhileWaiting: if the run is to stop.
        """
        active = cls.active
        if active is None or not active.is_alone:
            yield
            return
        try:
            active._is_waiting = True
            if active.signum:
                raise StopWhileWaiting
            yield
        finally:
            active._is_waiting = False

    def __enter__(self) -> Stops:
        Stops.active, self.signum = self, Stops.requested
        if threading.current_thread() is not threading.main_thread():
            return self  # Python lets the main thread alone handle signals
        for name in HANDLED:
            number = signal.Signals[name].value
            # a shell's background job ignores SIGINT, nohup's SIGHUP: leave it so
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._notice)
        return self

    def __exit__(self, *failure: object) -> None:
        Stops.active = None
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal itself returned

    def _notice(self, signum: int, frame: FrameType | None) -> None:
        if not self.signum:
            self.signum = signum
            if self._is_waiting:
                raise StopWhileWaiting
        elif signal.Signals(signum).name != "SIGHUP":  # a shell that ends sends it, then the system
            os._exit(128 + signum)


def die_with_parent(parent: int | None = None) -> None:
    """Let the kernel kill this process when the one that started it ends, where it can: what
    torchrun leaves behind must not go on writing. If `parent` has ended already, so does this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if parent not in (None, os.getppid()):
            os._exit(1)


@contextlib.contextmanager
def ends_of_children_ignored() -> Iterator[None]:
    """While data workers are ended, or the loss of one is told, raise no error for another: torch
    raises one at whatever line the main thread has come to, once for each process that ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)


def is_in_group() -> bool:
    """Return whether this process has joined a group of several."""
    # a Ctrl-C while torch was imported leaves parts of it here, but not torch itself
    if not {"torch", "torch.distributed"} <= sys.modules.keys():
        return False
    import torch.distributed as dist

    return dist.is_available() and dist.is_initialized()


def leave_group(code: int) -> None:
    """End a process that is one of several; return where there is but one.

    After a failure at once: the others may be waiting in an exchange, and learn of it by the end.

    Without the destructors of C++ that follow a normal end: now and then one finds a thread of the
    process group still running and aborts, and torchrun calls a finished run a failed one.
    """
    if is_in_group():
        import torch.distributed as dist

        if code == 0:
            dist.destroy_process_group()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
