"""Locks between processes, on file systems that have them and on such that have not."""

from __future__ import annotations

import ast
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT, TINY, environment
from trainer.core import locks
from trainer.core.locks import Lock, LockHeld, locked

NO_LOCKS = """
import errno, fcntl, sys
number = getattr(errno, sys.argv[1])
def flock(file, flags):
    raise OSError(number, "no locks here")
fcntl.flock = flock
"""

HOLD = """
import sys, time
from pathlib import Path
from trainer.core.locks import Lock, LockHeld
try:
    lock = Lock(Path(sys.argv[2]))
    lock.acquire()
    print("held", flush=True)
    sys.stdin.readline()
except LockHeld as error:
    print(error.holder, flush=True)
"""


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process see a file system without locks."""

    def flock(file: int, flags: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    locks.warn_once.cache_clear()


def start(path: Path, error: str = "") -> subprocess.Popen[str]:
    """Start a process that takes the lock, on a file system that answers with an error."""
    return subprocess.Popen(
        [sys.executable, "-c", (NO_LOCKS if error else "") + HOLD, error, str(path)],
        env=environment(),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str], *, kill: bool = False) -> None:
    if kill:
        process.send_signal(signal.SIGKILL)
    process.communicate("\n")


def test_a_lock_is_held_once_and_its_file_goes_with_it(tmp_path: Path) -> None:
    one, two = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    one.acquire()
    assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on ")
    with pytest.raises(LockHeld, match=f"held by process {os.getpid()} on"):
        two.acquire()
    one.release()
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "lock"), pytest.raises(LockHeld):
        two.acquire()
    one.release()  # that is not held: nothing
    two.acquire()
    two.release()


def test_a_folder_that_is_not_there_is_no_lock_that_is_held(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):  # of which kind depends on the system
        Lock(tmp_path / "file" / "lock").acquire()


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_of_all_errors_but_held_a_lock_file_system_has_none(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(file: int, flags: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = Lock(tmp_path / "lock")
    if number in (errno.EWOULDBLOCK, errno.EACCES):
        with pytest.raises(LockHeld):
            lock.acquire()
        return
    lock.acquire()
    assert lock.marker.is_file()
    with pytest.raises(LockHeld):
        Lock(tmp_path / "lock").acquire()
    lock.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("error", ["", "ENOLCK", "EOPNOTSUPP", "ENOSYS"])
def test_a_second_process_is_told_who_holds_it_and_a_killed_one_frees_it(
    tmp_path: Path, error: str
) -> None:
    path = tmp_path / "lock"
    holder = start(path, error)
    assert line_of(holder) == "held"
    other = start(path, error)
    assert line_of(other) == f"process {holder.pid} on {socket.gethostname()}"
    end(other)
    end(holder, kill=True)
    third = start(path, error)
    assert line_of(third) == "held"
    end(third, kill=True)


@pytest.mark.slow
@pytest.mark.parametrize("error", ["", "ENOLCK"])
def test_of_two_processes_that_race_one_has_it(tmp_path: Path, error: str) -> None:
    for number in range(3):
        racers = [start(tmp_path / f"lock{number}", error) for _ in range(2)]
        lines = [line_of(racer) for racer in racers]
        assert lines.count("held") == 1, lines
        for racer in racers:
            end(racer)


def test_without_locks_a_marker_stands_for_one_and_a_note_says_so_once(
    tmp_path: Path, without_locks: None, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    one.acquire()
    assert [path.name for path in tmp_path.iterdir()] == ["lock.marker"]
    with pytest.raises(LockHeld, match=f"held by process {os.getpid()} on [^(]*$"):
        two.acquire()
    one.release()
    assert list(tmp_path.iterdir()) == []
    two.acquire()
    two.release()
    (note,) = [record.getMessage() for record in caplog.records]
    assert note.startswith(f"{tmp_path} is on a file system without locks")


def test_a_marker_of_another_machine_is_named_with_what_to_do(
    tmp_path: Path, without_locks: None
) -> None:
    (tmp_path / "lock.marker").write_text("12\nelsewhere\n")
    with pytest.raises(LockHeld, match=r"process 12 on elsewhere \(if it is gone, remove .*marker"):
        Lock(tmp_path / "lock").acquire()


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOLCK", "EOPNOTSUPP"])
def test_a_run_on_a_file_system_without_locks_trains_with_a_note(here: Path, error: str) -> None:
    command = f"{NO_LOCKS}\nfrom trainer.cli.main import main\ndel sys.argv[1]\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", command, error, *TINY, f"hydra.run.dir={here / 'run'}"],
        env=environment(),
        cwd=here,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert "".join(done.stdout.split()).count("onafilesystemwithoutlocks") == 1
    assert not list((here / "run").glob(".*"))


@pytest.mark.slow
def test_nothing_but_this_module_locks_files() -> None:
    files = sorted((ROOT / "trainer").rglob("*.py"))
    assert len(files) > 200
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", ()) if hasattr(alias, "name")]
            names += [getattr(node, "module", None) or "", getattr(node, "attr", "")]
            assert not {"fcntl", "flock", "lockf", "msvcrt"} & set(names), file
            if "filelock" in names:
                assert file.name == "locks.py", file
                assert file.parent.name == "core", file
