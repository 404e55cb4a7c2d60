"""Who is at which job: locks that end with their holder, so that two sweeps in one place never do
the same job.

A folder `.sweeps` beside the results holds a file per key that a worker is at, locked while it is
and naming the run afterwards: the other sweep then knows where the result is, which it verifies.
The last sweep to leave clears it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainer.core.errors import ConfigError
from trainer.record.run_folder import Folder
from trainer.sweep.reuse import key_of_finished

FOLDER = ".sweeps"

CAN_LOCK = importlib.util.find_spec("fcntl") is not None  # not on Windows: no claims there

if CAN_LOCK:
    import fcntl


@dataclass
class Claim:
    """A job that this process is at.

    Attributes:
        file: locked.
        key: of its result.
        found: a finished run with that key, if another sweep was first.
    """

    file: IO[str]
    key: str
    found: Path | None

    def finished(self, path: Path) -> None:
        """Tell whoever comes next where the result is, where the disk has room for that."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.file.fileno(), 0)
            os.write(self.file.fileno(), os.fsencode(path))  # no buffer that closing would flush


@contextlib.contextmanager
def present(root: Path) -> Iterator[None]:
    """Be one of the sweeps under `root`; whoever is the only one clears what others left behind."""
    if not CAN_LOCK:
        yield
        return
    place = root / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "present", "a") as file:
        clear_if_alone(file, place)
        fcntl.flock(file, fcntl.LOCK_SH)
        try:
            yield
        finally:
            clear_if_alone(file, place)


def clear_if_alone(file: IO[str], place: Path) -> None:
    """Remove the claims that no sweep looks at any more."""
    with contextlib.suppress(OSError):  # another sweep is there, or the disk is read-only by now
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for claim in place.glob("job-*"):
            with contextlib.suppress(OSError), open(claim) as held:  # a killed sweep's last worker
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                claim.unlink(missing_ok=True)


@contextlib.contextmanager
def claimed(root: Path, key: str) -> Iterator[Claim | None]:
    """Claim a job and yield the claim, None while another process is at it.

    Args:
        root: folder of all results.
        key: of the job's result, or another name of the job in as many hexadecimal digits.

    Raises:
        ConfigError: if the claim cannot be written.
    """
    path = root / FOLDER / f"job-{key[:40]}"
    try:
        path.parent.mkdir(exist_ok=True)  # somebody may have cleared it away
        opened = open(path, "a+", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {(error.strerror or 'refused').lower()}"
        ) from error
    with opened as file:
        try:
            if CAN_LOCK:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        file.seek(0)
        told = file.read().strip()
        is_there = bool(told) and os.path.isdir(told) and key_of_finished(Path(told)) == key
        yield Claim(file, key, Path(told) if is_there else None)


def cleared(place: Path) -> None:
    """Remove what an earlier attempt left of a job.

    Raises:
        ConfigError: if another program is at it.
    """
    if place.is_symlink():
        place.unlink()
    elif place.is_dir():
        folder = Folder(place)
        folder.lock()
        try:
            shutil.rmtree(place)
        finally:
            folder.close()


def link(place: Path, run: Path) -> None:
    """Let a job's folder lead to the run that is its result, where the system has links; what an
    interrupted attempt left there goes."""
    here, there = os.path.realpath(place.parent), os.path.realpath(run)
    if os.path.join(here, place.name) == there:  # two programs at one sweep: the other did it here
        return
    with contextlib.suppress(OSError, NotImplementedError, ConfigError):  # found again by its key
        cleared(place)
        place.symlink_to(os.path.relpath(there, here), target_is_directory=True)
