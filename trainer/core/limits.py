"""Where the machine or its system says no: memory, names of files, what may be written to."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import sys
from collections.abc import Iterator
from typing import TextIO

from trainer.core.convert import shown
from trainer.core.errors import ConfigError, DiskError
from trainer.core.files import DISK_ERRORS

# how numpy's, torch's and CUDA's errors begin to say it; numpy's of the third kind is a ValueError
MEMORY_WORDS = (
    *("can't allocate memory", "out of memory", "Storage size calculation overflowed"),
    *("Maximum allowed size exceeded", "array is too big", "Unable to allocate"),
)

PATH_ERRORS = (errno.ENAMETOOLONG, errno.ELOOP)


@contextlib.contextmanager
def reporting_memory() -> Iterator[None]:
    """Turn what numpy and torch raise where no memory is left into a ConfigError."""
    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        text = str(error)
        if not is_of_memory(error):
            raise
        first = text.splitlines()[0] if text else "no more is to be had"
        reason = first.rpartition("DefaultCPUAllocator: ")[2]
        raise ConfigError(
            f"not enough memory for what was chosen ({reason}): choose a smaller model, or fewer "
            "or smaller images"
        ) from error


def is_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that it came from, says that no memory is left."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error) for words in MEMORY_WORDS):
            return True
        error = error.__cause__
    return False


@contextlib.contextmanager
def reporting_system() -> Iterator[None]:
    """Turn a path that no file can have and a standard output that is full into errors of ours."""
    try:
        yield
    except OSError as error:
        if error.errno in PATH_ERRORS:
            reason = os.strerror(error.errno or 0).lower()
            raise ConfigError(f"cannot use the path {shown(error.filename)}: {reason}") from error
        if error.errno in DISK_ERRORS and error.filename is None:
            silence()
            raise full_output(error) from error
        raise


def full_output(error: OSError) -> DiskError:
    """Return the error of a standard output that takes no more."""
    return DiskError(f"cannot write to standard output: {os.strerror(error.errno or 0).lower()}")


def is_hung_up(error: OSError, stream: TextIO) -> bool:
    """Return whether a stream's terminal was closed: then nobody reads along any more."""
    try:
        return error.errno == errno.EIO and stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):  # it has no file
        return False


def silence(stream: TextIO | None = None) -> None:
    """Print nothing from now on, on standard output unless another stream is given."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, (stream or sys.stdout).fileno())
    os.close(null)


TIMEOUT_S = 10  # of one network operation: a refused network is one message, not minutes of silence


@contextlib.contextmanager
def short_timeout() -> Iterator[None]:
    """Give up on a silent network after seconds: torch and torchvision pass no timeout of their
    own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
