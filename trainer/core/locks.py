"""Locks between processes.

The kernel holds a lock on a file, so a holder that crashes frees it at once. Where a file system
has no such locks, the existence of a marker file stands for the lock, and a warning says so.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

ATTEMPTS = 3  # a lock whose file was removed meanwhile, or whose holder is dead, is tried again

log = logging.getLogger("trainer")


class LockHeld(Exception):
    """A lock is held, by another process or by another `Lock` of this one; `holder` says it in
    words, `process 12 on host` where that is known."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"held by {holder}")
        self.holder = holder


class Lock:
    """A lock with a file at a path. The file is there while the lock is held.

    Args:
        path: of the file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.marker = path.with_name(f"{path.name}.marker")
        self._held: BaseFileLock | None = None

    def acquire(self, *, wait: bool = False) -> None:
        """Take the lock; with `wait`, once it is free.

        Raises:
            LockHeld: if it is held and `wait` is false.
            OSError: if its file cannot be written.
        """
        from filelock import FileLock, SoftFileLock

        assert self._held is None, self.path
        try:
            native = FileLock(self.path, thread_local=False, fallback_to_soft=False)
            self._take(native, self.path, wait=wait)
        except OSError as error:
            # an error of opening names the file; a lock that is refused in any way but "held" is
            # one that the file system has not got
            if error.filename is not None:
                raise
            with contextlib.suppress(OSError):
                if self.path.stat().st_size == 0:  # no holder has written into it
                    self.path.unlink()
            warn_once(self.path.parent.stat().st_dev, str(self.path.parent))
            self._take(SoftFileLock(self.marker, thread_local=False), self.marker, wait=wait)
            return
        try:
            with contextlib.suppress(PermissionError):  # Windows: nobody writes to a locked file
                self.path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        except OSError:
            self.release()
            raise

    def _take(self, lock: BaseFileLock, path: Path, *, wait: bool) -> None:
        """Acquire one of the two kinds of lock, whose file is at `path`."""
        from filelock import Timeout

        for _ in range(ATTEMPTS):
            try:
                lock.acquire(blocking=wait)
            except Timeout:
                continue
            self._held = lock
            return
        raise LockHeld(holder_of(path))

    def release(self) -> None:
        """Give the lock back, if it is held. Its file goes first: the next one may be another's."""
        held, self._held = self._held, None
        if held is not None:
            with contextlib.suppress(OSError):  # on a disk that is read-only by now it stays
                if Path(held.lock_file) == self.path:
                    self.path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                held.release()


def lock_of(path: Path) -> Path:
    """Return where the lock of a file or folder is: beside it."""
    return path.with_name(f"{path.name}.lock")


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a path; see `Lock`."""
    lock = Lock(path)
    lock.acquire(wait=wait)
    try:
        yield
    finally:
        lock.release()


def holder_of(path: Path) -> str:
    """Return who holds a lock, from what its holder wrote into its file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        lines = [""]
    if path.suffix != ".marker":
        return lines[0] or "another process"
    if len(lines) < 2 or not lines[0].isdecimal():
        return f"another process (if it is gone, remove {path})"
    holder = f"process {lines[0]} on {lines[1]}"
    is_here = lines[1] == socket.gethostname()  # then a dead holder's marker is not in the way
    return holder if is_here else f"{holder} (if it is gone, remove {path})"


@functools.cache
def warn_once(_device: int, folder: str) -> None:
    """Warn that a file system has no locks, once for each."""
    log.warning(
        "%s is on a file system without locks: marker files are used instead. A process that is "
        "killed on another machine leaves its marker behind",
        folder,
    )
