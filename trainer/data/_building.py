"""Folders in the making: built under another name, locked meanwhile, removed if left behind."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from trainer.core.locks import LockHeld, lock_of, locked


@contextlib.contextmanager
def in_the_making(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder`, to be renamed to it; what was not is removed.

    It is locked before it exists, so that one without a holder is always one left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        with locked(lock_of(making), wait=True):
            try:
                making.mkdir(mode=0o700)
                yield making
            finally:
                shutil.rmtree(making, ignore_errors=True)
    finally:
        with contextlib.suppress(OSError):  # nothing was made: leave no empty folder either
            folder.parent.rmdir()


def remove_abandoned(place: Path) -> None:
    """Remove what killed processes left in the making."""
    with contextlib.suppress(OSError):  # not there, or not ours to read
        for making in place.glob(".*-*"):
            if making.is_dir():
                with contextlib.suppress(LockHeld, OSError), locked(lock_of(making)):
                    shutil.rmtree(making, ignore_errors=True)


def reserve(path: Path, size: int) -> None:
    """Create a file whose blocks exist: a full disk is an error here, not a bus error later."""
    if shutil.disk_usage(path.parent).free < size:  # some systems would write until it is full
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
