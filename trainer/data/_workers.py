"""Processes that read ahead: how they start, end, and tell that they cannot go on."""

import contextlib
import functools
import logging
import multiprocessing
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing import queues
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from trainer.core.environment import room_for_tensors
from trainer.core.errors import LostWorker
from trainer.core.signals import HANDLED, Stops, die_with_parent, ends_of_children_ignored

log = logging.getLogger(__name__)

STOPS = [getattr(signal, name) for name in HANDLED]

POLL_S = 2.0  # between looks at whether the workers live and whether the run is to stop

ENDING_S = 5.0  # that workers have to end by themselves

AHEAD = 2  # batches that a worker has ready, torch's default

LOCKS_BYTES = 2**18  # of shared memory, a page each

T = TypeVar("T")


def read_ahead(
    rows: Dataset[T], parts: Sequence[Any], *, workers: int, batch_bytes: int, pin: bool
) -> Iterator[T]:
    """Yield items of a data set in order, read by workers.

    Args:
        rows: what they read.
        parts: of it: what an item is asked for by.
        workers: processes; 0 reads in this one. They are fewer where shared memory has less room.
        batch_bytes: of the largest item.
        pin: whether items come in memory that a GPU copies from directly.

    Raises:
        LostWorker: if no worker can be started.
        StopWhileWaiting: if a run of one process is to stop.
        RuntimeError: of torch, if a worker has ended; `limits.understood` knows it.
    """
    workers = with_room(workers, batch_bytes)
    loader: DataLoader[T] = DataLoader(
        rows,
        batch_size=None,
        sampler=parts,
        num_workers=workers,
        pin_memory=pin,
        generator=torch.Generator(),  # else a loader draws from the global generator
        worker_init_fn=_serve,
        multiprocessing_context=_context() if workers else None,
        timeout=POLL_S if workers else 0,
    )
    with _signals_held():  # workers inherit that, and no signal finds them half started
        try:
            items: Any = iter(loader)
        except OSError as error:
            raise LostWorker(f"data workers cannot be started: {error}") from error
    try:
        while True:
            try:
                with Stops.waiting():
                    item = next(items)
            except StopIteration:
                return
            except RuntimeError as error:
                if not str(error).startswith("DataLoader timed out"):
                    raise
                _check_pinning(items)
                continue
            except (OSError, EOFError) as error:  # met before the end of the worker is seen
                ended = _ended(items._workers) if workers else None
                if ended is None:
                    raise
                raise ended from error
            yield item
    finally:
        if workers:
            _end(items)


def _ended(workers: Sequence[BaseProcess]) -> RuntimeError | None:
    """Return torch's error for a worker that ends about now, None where none does."""
    ended = wait([worker.sentinel for worker in workers], ENDING_S)
    for worker in (worker for worker in workers if worker.sentinel in ended):
        worker.join(POLL_S)  # its files are closed a moment before the system knows its code
        code = worker.exitcode
        if code is not None:
            name = signal.strsignal(-code) if code < 0 else None
            how = (
                f"is killed by signal: {name}"
                if name
                else f"exited unexpectedly with exit code {code}"
            )
            return RuntimeError(f"DataLoader worker (pid {worker.pid}) {how}")
    return None


def _check_pinning(items: Any) -> None:
    """Raise RuntimeError if the thread that pins memory has ended; of the workers themselves torch
    has seen that they live."""
    thread = getattr(items, "_pin_memory_thread", None)
    if thread is not None and not thread.is_alive():
        raise RuntimeError("Pin memory thread exited unexpectedly")


def _end(items: Any) -> None:
    """End the workers, as torch does; kill those that stand still, which it would wait for at the
    program's end, and all at once if the run is to stop."""
    # a thread that pins memory may be reading what a worker writes
    is_stopping = Stops.active is not None and Stops.active.signum
    if is_stopping and getattr(items, "_pin_memory_thread", None) is None:
        _kill(items._workers)
    # in a thread: a worker that died holding a lock lets torch wait for it for ever
    with ends_of_children_ignored():
        ending = threading.Thread(target=items._shutdown_workers, name="end workers", daemon=True)
        ending.start()
        ending.join(ENDING_S)
    _kill(items._workers)


def _kill(workers: Sequence[BaseProcess]) -> None:
    """Kill the workers that live; without torch's error that they were."""
    with ends_of_children_ignored():
        for worker in workers:
            if worker.is_alive():
                worker.kill()
                worker.join(POLL_S)


@functools.cache  # once for each: every reading asks
def _tell_room(workers: int, fitting: int, free_mb: int) -> None:
    log.warning(
        "data.workers=%d have not enough shared memory, of which /dev/shm has %d MB free: %s "
        "(containers get more by --shm-size)",
        workers,
        free_mb,
        f"{fitting} of them read" if fitting else "images are read without workers",
    )


def with_room(workers: int, batch_bytes: int) -> int:
    """Return how many workers shared memory has room for, at most those that are wanted; say it
    where that is fewer."""
    free = room_for_tensors()
    if not workers or free is None or needed_bytes(workers, batch_bytes) <= free:
        return workers
    fitting = max(
        (n for n in range(workers) if n and needed_bytes(n, batch_bytes) <= free), default=0
    )
    _tell_room(workers, fitting, free // 2**20)
    return fitting


def needed_bytes(workers: int, batch_bytes: int) -> int:
    """Return the shared memory that workers fill at most, with the batch in use."""
    return (AHEAD * workers + 1) * batch_bytes + LOCKS_BYTES


def _context() -> str | None:
    # forked where possible, which shares the mapped file and costs no import
    return "fork" if "fork" in multiprocessing.get_all_start_methods() else None


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals that stop a run wait a moment, where the system can."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(_: int) -> None:
    """Leave signals that stop a run to the main process, which finishes its step and then ends the
    workers; die with it, however it ends, and of what the thread that hands tensors over meets."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    sys.excepthook = _show_error
    queues.Queue._on_queue_feeder_error = staticmethod(_give_up)  # type: ignore[attr-defined]
    parent = multiprocessing.parent_process()  # torch's workers else notice after seconds
    die_with_parent(None if parent is None else parent.pid)


def _give_up(error: Exception, _: object) -> None:
    """End a worker whose batch cannot be handed over, with the system's number of the error: it
    would be lost, and waited for."""
    number = re.search(r"\((\d+)\)$", str(error).strip())
    code = getattr(error, "errno", None) or (int(number[1]) if number else None)
    if code is None:
        traceback.print_exception(error)
    os._exit(code or 1)


def _show_error(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an error that nobody caught, but not that the process that reads has gone: the thread
    which hands tensors over meets that when a run is killed, just before the worker is too."""
    if not issubclass(kind, (EOFError, ConnectionError)):
        sys.__excepthook__(kind, error, trace)
