"""Workers that read ahead and end, stand still, or cannot hand over what they read."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from tests.alarm import within
from tests.command import PATIENCE_S, TINY, start
from trainer.core.errors import LostWorker
from trainer.core.limits import understood
from trainer.core.signals import Stops, StopWhileWaiting
from trainer.data import _workers as workers_module
from trainer.data._workers import needed_bytes, read_ahead, with_room


class Odd(Dataset[Any]):
    """Numbers; what is done at the third is chosen."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __getitem__(self, number: int) -> Any:
        if number == 3 and self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 3 and self.how == "stands still":
            os.kill(os.getpid(), signal.SIGSTOP)
        if number == 3 and self.how == "raises":
            raise ValueError("what it read is odd")
        if number == 3 and self.how.isdecimal():
            return CannotLeave(int(self.how))
        return torch.tensor(number)


class CannotLeave:
    """Fails in the thread that hands it over, as a tensor does without shared memory."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        raise OSError(self.number, os.strerror(self.number))


def read(how: str, workers: int = 2) -> list[int]:
    with within():
        items = read_ahead(Odd(how), range(8), workers=workers, batch_bytes=8, pin=False)
        return [int(item) for item in items]


def assert_no_worker_stays() -> None:
    """Workers that were told to end have a moment to do so."""
    for worker in multiprocessing.active_children():
        worker.join(10)
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_items_come_in_order_and_no_worker_stays(workers: int) -> None:
    assert read("", workers) == list(range(8))
    assert_no_worker_stays()


# torch looks for open files with temporary ones, which its own error may interrupt
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("killed", "memory runs out"),
        (str(errno.ENOSPC), "no room for a batch in shared memory"),
        (str(errno.EMFILE), "may open no more files"),
        (str(errno.EINVAL), "has ended with code 22"),
    ],
)
def test_a_worker_that_cannot_go_on_ends_the_run_in_one_line(how: str, words: str) -> None:
    with pytest.raises(RuntimeError) as raised:
        read(how)
    known = understood(raised.value)
    assert isinstance(known, LostWorker)
    assert words in str(known)
    assert re.match(r"a data worker \(process \d+\) ", str(known))
    assert "\n" not in str(known)
    assert_no_worker_stays()


@pytest.mark.slow
def test_an_error_of_reading_keeps_its_kind() -> None:
    with pytest.raises(ValueError, match="what it read is odd") as raised:
        read("raises")
    assert understood(raised.value) is raised.value


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.0, 0.5], ids=["before it waits", "while it waits"])
def test_a_stop_is_heeded_while_workers_stand_still(delay_s: float) -> None:
    def signals() -> None:
        time.sleep(delay_s)
        os.kill(os.getpid(), signal.SIGTERM)

    found: list[int] = []
    with within(60), Stops() as stops:
        stops.is_alone = True
        thread = threading.Thread(target=signals)
        thread.start()
        if not delay_s:
            thread.join()
        items = read_ahead(Odd("stands still"), range(8), workers=2, batch_bytes=8, pin=False)
        with pytest.raises(StopWhileWaiting):
            found += map(int, items)
        thread.join()
    assert len(found) <= 3
    assert stops.signum == signal.SIGTERM
    assert_no_worker_stays()


# words of torch 2.14's C++ and Python, the second with the first as its context
TOLD = [
    ("DataLoader worker (pid 7) is killed by signal: Killed. ", "a signal (Killed)"),
    (
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
        "dataloader's workers are out of shared memory. Please try to raise your limit.",
        "no room for a batch in shared memory; /dev/shm is full",
    ),
    (
        "DataLoader worker (pid 7) exited unexpectedly with exit code 1. Details are lost due "
        "to multiprocessing. Rerunning with num_workers=0 may give better error trace.",
        "has ended with code 1",
    ),
    ("DataLoader worker (pid(s) 7) exited unexpectedly", "has ended: systems do that"),
]


@pytest.mark.parametrize(("text", "words"), TOLD)
def test_what_torch_says_of_a_lost_worker_is_understood(text: str, words: str) -> None:
    outer = RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly")
    outer.__cause__ = RuntimeError(text)
    for error in (RuntimeError(text), outer):
        known = understood(error)
        assert isinstance(known, LostWorker)
        assert words in str(known)
        assert "process 7" in str(known)


@pytest.mark.parametrize(
    ("free", "workers"), [(None, 4), (900, 4), (899, 3), (300, 1), (299, 0), (0, 0)]
)
def test_workers_are_as_many_as_shared_memory_has_room_for(
    free: int | None,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    locks = workers_module.LOCKS_BYTES
    assert [needed_bytes(n, 100) - locks for n in (1, 3, 4)] == [300, 700, 900]
    room = None if free is None else free + locks
    monkeypatch.setattr(workers_module, "room_for_tensors", lambda: room)
    workers_module._tell_room.cache_clear()
    assert with_room(4, 100) == with_room(4, 100) == workers
    assert len(caplog.messages) == (workers < 4)
    assert with_room(0, 100) == 0


@pytest.mark.slow
def test_a_killed_worker_is_told_with_a_line_to_go_on_that_works(here: Path) -> None:
    reading = ("data.resident_share=0", "checkpoint.every=2st", "hydra.run.dir=run")
    run = start((*TINY, "epochs=4000", "data.workers=2", *reading), here)
    try:
        while not list(here.glob("run/checkpoints/step-*")):
            assert run.poll() is None, run.communicate()
            time.sleep(0.02)
        while run.poll() is None:  # each epoch has workers of its own, which may be ending
            children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(int(children[-1]), signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(3)
        _, err = run.communicate(timeout=PATIENCE_S)
    finally:
        run.kill()
    assert run.returncode == 1
    first, again = err.strip().split("\n")
    assert first.startswith("error: a data worker (process "), err
    assert first.endswith("to go on from its last checkpoint:")
    words = again.split()
    assert words[-2:] == ["resume=run", "data.workers=0"]
    resumed = start([*words[3:]], here)
    try:
        while "resumed at step" not in (here / "run/run.log").read_text():
            assert resumed.poll() is None, resumed.communicate()
            time.sleep(0.05)
    finally:
        resumed.kill()
        resumed.communicate()
