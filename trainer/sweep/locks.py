"""Locks on the jobs of sweeps, so that two sweeps in one place never do the same job.

A folder `.sweeps` beside the results holds, under the key of a job's result, a lock while a worker
is at the job, and a note of where the result is afterwards: another sweep reads and verifies it.
The last sweep to end clears the notes.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.core.errors import ConfigError
from trainer.core.locks import Lock, LockHeld, lock_of, locked
from trainer.record.run_folder import Folder
from trainer.sweep.reuse import key_of_finished

FOLDER = ".sweeps"


@dataclass(frozen=True)
class LockedJob:
    """A job that this process holds the lock of: the file that says where the result is, and a
    finished run with the job's key, if another sweep was first."""

    note: Path
    found: Path | None

    def finished(self, path: Path) -> None:
        """Note where the result is, if the disk has room for that."""
        with contextlib.suppress(OSError):
            self.note.write_bytes(os.fsencode(path))


@contextlib.contextmanager
def registered(root: Path) -> Iterator[None]:
    """Be one of the sweeps under `root`. One that is alone clears what others left behind."""
    place = root / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    mine = place / f"sweep-{secrets.token_hex(4)}"
    lock, gate = Lock(lock_of(mine)), place / "gate.lock"
    with locked(gate, wait=True):
        clear_if_alone(place)
        lock.acquire()
        mine.touch()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # on a disk that is read-only by now all of it stays
            mine.unlink(missing_ok=True)
        lock.release()
        with contextlib.suppress(OSError), locked(gate, wait=True):
            clear_if_alone(place)


def clear_if_alone(place: Path) -> None:
    """Remove the notes on jobs, unless a sweep is registered that may still ask for them."""
    if all(remove_unlocked(sweep) for sweep in entries(place, "sweep")):
        for job in entries(place, "job"):
            remove_unlocked(job)


def entries(place: Path, kind: str) -> set[Path]:
    """Return the files of a kind, and those of which there is only a lock."""
    return {place / path.name.partition(".")[0] for path in place.glob(f"{kind}-*")}


def remove_unlocked(path: Path) -> bool:
    """Remove a file whose lock nobody holds, and return whether nobody does."""
    try:
        with locked(lock_of(path)):
            path.unlink(missing_ok=True)
    except (LockHeld, OSError):
        return False
    return True


@contextlib.contextmanager
def job_lock(root: Path, key: str) -> Iterator[LockedJob | None]:
    """Lock the job of a result's key, or of another name in as many hexadecimal digits, and yield
    it; yield None while another process is at it.

    Raises:
        ConfigError: if the lock cannot be written.
    """
    note = root / FOLDER / f"job-{key[:40]}"
    lock, is_mine = Lock(lock_of(note)), True
    try:
        note.parent.mkdir(exist_ok=True)
        lock.acquire()
    except LockHeld:
        is_mine = False
    except OSError as error:
        reason = (error.strerror or "refused").lower()
        raise ConfigError(f"cannot write {lock.path}: {reason}") from error
    try:
        yield LockedJob(note, noted(note, key)) if is_mine else None
    finally:
        lock.release()


def noted(note: Path, key: str) -> Path | None:
    """Return the finished run that a note leads to, if it is there and has the key."""
    with contextlib.suppress(OSError):
        text = note.read_bytes().strip()
        run = Path(os.fsdecode(text))
        if text and run.is_dir() and key_of_finished(run) == key:
            return run
    return None


def remove_previous(place: Path) -> None:
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
    interrupted attempt left there is removed."""
    here, there = os.path.realpath(place.parent), os.path.realpath(run)
    if os.path.join(here, place.name) == there:  # two programs at one sweep: the other did it here
        return
    with contextlib.suppress(OSError, NotImplementedError, ConfigError):  # found again by its key
        remove_previous(place)
        place.symlink_to(os.path.relpath(there, here), target_is_directory=True)
