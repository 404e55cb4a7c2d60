"""Where the machine or its system says no: memory, names of files, what may be written to."""

import contextlib
import errno
import os
import re
import socket
import stat
import sys
from collections.abc import Iterator
from typing import TextIO

from trainer.core.convert import shown
from trainer.core.environment import memory_free
from trainer.core.errors import ConfigError, DiskError, LostWorker, TrainerError
from trainer.core.files import DISK_ERRORS

# how numpy's, torch's and CUDA's errors begin to say it; numpy's of the third kind is a ValueError
MEMORY_WORDS = (
    *("can't allocate memory", "out of memory", "Storage size calculation overflowed"),
    *("Maximum allowed size exceeded", "array is too big", "Unable to allocate"),
)

# torch's words for a data worker that is gone: its number, the signal, the exit code
WORKER_LOST = re.compile(
    r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)"
    r"(?: is killed by signal: ([^.]+)| exited unexpectedly(?: with exit code (\d+))?)"
)


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
    return error is not None and any(
        isinstance(link, MemoryError) or any(words in str(link) for words in MEMORY_WORDS)
        for link in chain_of(error)
    )


def understood(error: BaseException) -> BaseException:
    """Return an error of ours, in one line, for one of the system's or a library's that people can
    do something about; any other error as it is."""
    if isinstance(error, TrainerError):  # it may have come from one of the others
        return error
    found: list[re.Match[str]] = []
    for link in chain_of(error):
        found += WORKER_LOST.finditer(str(link)) if isinstance(link, RuntimeError) else ()
    if found:  # the one that says most came first
        return LostWorker(f"a data worker (process {found[-1][1]}) {end_of_worker(found[-1])}")
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        path, reason = os.fsdecode(str(error.filename)), (error.strerror or "").lower()
        if error.errno in DISK_ERRORS:
            return DiskError(f"cannot write {shown(path)}: {reason}")
        if error.errno in (errno.EACCES, errno.EPERM):
            return ConfigError(f"no permission: {shown(path)} ({reason})")
        return ConfigError(f"cannot use the path {shown(path)}: {reason}")
    kinds = [kind.__name__ for kind in type(error).__mro__]  # yaml need not be imported
    if isinstance(error, UnicodeError | RecursionError) or "YAMLError" in kinds:
        what = "too deeply nested" if isinstance(error, RecursionError) else str(error)
        return ConfigError(f"cannot read what was given: {' '.join(what.split())}")
    return error


def chain_of(error: BaseException) -> list[BaseException]:
    """Return an error and those that it came from, each once: it may have come from itself."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    return chain


def end_of_worker(lost: re.Match[str]) -> str:
    """Return how a worker ended, and why that may be."""
    _, signalled, code = lost.groups()
    free = memory_free()
    memory = "" if free is None else f" ({free / 2**30:.1f} GiB are free now)"
    shared = "/dev/shm is full: fewer data.workers, or containers' --shm-size, help"
    if signalled == "Bus error" or (code and int(code) in (errno.ENOSPC, errno.ENOMEM)):
        return f"found no room for a batch in shared memory; {shared}"
    if code and int(code) in (errno.EMFILE, errno.ENFILE):
        return "may open no more files: fewer data.workers, or a higher `ulimit -n`, help"
    how = f"was ended by a signal ({signalled})" if signalled else "has ended"
    how += f" with code {code}" if code else ""
    return f"{how}: systems do that where memory runs out{memory}"


@contextlib.contextmanager
def reporting_system() -> Iterator[None]:
    """Turn what `understood` knows, and a standard output that is full, into errors of ours."""
    try:
        yield
    except Exception as error:
        is_full = isinstance(error, OSError) and error.errno in DISK_ERRORS
        if isinstance(error, OSError) and is_full and error.filename is None:
            silence()
            raise full_output(error) from error
        known = understood(error)
        if known is error:
            raise
        raise known from error


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
