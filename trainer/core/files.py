"""Files that are whole or absent, and disks that say so when they are full."""

import contextlib
import errno
import functools
import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainer.core.errors import ConfigError, DiskError

LOST_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # what was written is not on the disk

DISK_ERRORS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO)

log = logging.getLogger("trainer")


@contextlib.contextmanager
def reporting_disk(path: Path, needed_bytes: int = 0) -> Iterator[None]:
    """Turn a full or read-only disk under `path` into a DiskError that names path, bytes needed and
    bytes free."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        parent = next(p for p in (path, *path.absolute().parents) if p.exists())
        free = shutil.disk_usage(parent).free
        reason = os.strerror(error.errno or 0).lower()
        raise DiskError(
            f"cannot write {path}: {reason}; {needed_bytes} bytes needed, {free} bytes free"
        ) from error


def dangling(path: Path) -> str | None:
    """Return a line on the link to nowhere that a path is or leads through, None without one."""
    for place in (path, *path.parents):
        if place.is_symlink() and not place.exists():
            return f"{place} is a link to {os.readlink(place)}, which is not there"
    return None


def check_writable(path: Path, key: str) -> None:
    """Raise ConfigError, naming the key, if a file cannot be written; it is left as it was."""
    is_new = not os.path.lexists(path)
    try:
        with reporting_disk(path), open(path, "ab"):
            pass
    except PermissionError as error:
        place = f"in {path.parent}" if is_new else "it"
        raise ConfigError(f"cannot write {key}={path}: no permission to write {place}") from error
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise ConfigError(f"cannot write {key}={path}: {reason}") from error
    if is_new:
        path.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a new file and flush it to the disk."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        sync(file.fileno(), path)


def sync(handle: int, path: Path) -> None:
    """Flush an open file or folder to the disk. Where its file system cannot do that, a line says
    so once, and the system flushes when it likes."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in LOST_ERRORS:
            raise
        top = next(p for p in path.absolute().parents if p.is_mount() or p == p.parent)
        note_once(str(top), error.strerror or "")


@functools.cache
def note_once(top: str, reason: str) -> None:
    """Note that a file system cannot flush, once for each."""
    log.warning(
        "the file system at %s cannot flush to the disk (%s): a power cut may cost what was "
        "written last",
        top,
        reason.lower(),
    )


def as_utf8(text: str) -> bytes:
    """Return a text as files hold it; what is no text, as in odd paths, is escaped."""
    return text.encode("utf-8", errors="backslashreplace")


def replace_text(path: Path, text: str) -> None:
    """Write a file whole: readers see the old content or the new, never a part."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with reporting_disk(path, len(text)):
        try:
            write_bytes(temporary, as_utf8(text))
            os.replace(temporary, path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def clear_temporaries(folder: Path, names: Iterable[str]) -> None:
    """Remove what `replace_text` left of files of these names where it was killed."""
    for name in names:
        for path in folder.glob(f".{name}-????????"):
            path.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Flush a folder's entries to the disk, where the system can."""
    if os.name == "posix":
        try:
            handle = os.open(path, os.O_RDONLY)
        except PermissionError:  # it may be written to and not read
            return
        try:
            sync(handle, path)
        finally:
            os.close(handle)
