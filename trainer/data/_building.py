"""Folders in the making: built under another name, held while they are, removed if left behind."""

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HELD = "held"  # the file that a process locks while it fills the folder
ABANDONED_S = 24 * 3600


@contextlib.contextmanager
def in_the_making(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder`, to be renamed to it; what was not is removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield making
    finally:
        shutil.rmtree(making, ignore_errors=True)
        with contextlib.suppress(OSError):  # nothing was made: leave no empty folder either
            folder.parent.rmdir()


@contextlib.contextmanager
def held(making: Path) -> Iterator[None]:
    """Tell other processes that this one is filling the folder; its death, too, ends that."""
    with open(making / f".{HELD}", "w") as file:
        with contextlib.suppress(ImportError, OSError):  # Windows, some file systems: the age tells
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
            os.rename(file.name, making / HELD)  # under this name it is locked from the first
        yield
    for name in (HELD, f".{HELD}"):
        (making / name).unlink(missing_ok=True)


def remove_abandoned(place: Path) -> None:
    """Remove what killed processes left in the making."""
    with contextlib.suppress(OSError):  # not there, or not ours to read
        for making in place.glob(".*-*"):
            if is_abandoned(making):
                shutil.rmtree(making, ignore_errors=True)


def is_abandoned(making: Path) -> bool:
    """Return whether nobody holds a folder any more; one that nobody held yet gets a day."""
    try:
        with open(making / HELD) as file:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return time.time() - making.stat().st_mtime > ABANDONED_S


def reserve(path: Path, size: int) -> None:
    """Create a file whose blocks exist: a full disk is an error here, not a bus error later."""
    if shutil.disk_usage(path.parent).free < size:  # some systems would write until it is full
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
