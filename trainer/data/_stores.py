"""Where images lie while a run lasts: on the training device, or in a file that workers read."""

import contextlib
import logging
import multiprocessing
import signal
import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from trainer.core.environment import memory_free
from trainer.core.signals import HANDLED, die_with_parent
from trainer.data._splits import Indices
from trainer.data.base import DataKeys, Images

log = logging.getLogger(__name__)

Pair = tuple[torch.Tensor, torch.Tensor]
Bounds = Sequence[tuple[int, int]]
STOPS = [getattr(signal, name) for name in HANDLED]


class Store(Protocol):
    """Images of one split, to be taken in any order."""

    is_resident: bool

    def batches(self, order: Indices, bounds: Bounds) -> Iterator[Pair]:
        """Yield images and labels at `order[low:high]` for each of the bounds, on the device."""


class Resident:
    """Images on the training device as uint8; a batch is an index.

    Args:
        images: the split; moved to the device unless it is there.
        device: the training device.
    """

    is_resident = True

    def __init__(self, images: Images, device: torch.device) -> None:
        self._images = images.images.to(device)
        self._labels = images.labels.to(device)

    def batches(self, order: Indices, bounds: Bounds) -> Iterator[Pair]:
        """Yield images and labels: one copy of the order, then two gathers a batch."""
        index = torch.from_numpy(order).to(self._labels.device)
        images, labels = self._images, self._labels
        for low, high in bounds:
            rows = index[low:high]
            yield images.index_select(0, rows), labels.index_select(0, rows)


class Streamed:
    """Images that stay where they are, usually in a mapped cache file, and are read by workers.

    Args:
        images: the split.
        device: the training device.
        workers: processes that read ahead; 0 reads in this one.
    """

    is_resident = False

    def __init__(self, images: Images, device: torch.device, workers: int) -> None:
        self._rows = _Rows(images)
        self._device = device
        self._workers = workers

    def batches(self, order: Indices, bounds: Bounds) -> Iterator[Pair]:
        """Yield images and labels, read ahead by the workers in the same order as without them."""
        loader: DataLoader[Pair] = DataLoader(
            self._rows,
            batch_size=None,
            sampler=[order[low:high] for low, high in bounds],
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
            generator=torch.Generator(),  # else a loader draws from the global generator
            worker_init_fn=_serve,
            multiprocessing_context=_context() if self._workers else None,
        )
        with _signals_held():  # workers inherit that, and no signal finds them half started
            batches = iter(loader)
        for images, labels in batches:
            yield (
                images.to(self._device, non_blocking=True),
                labels.to(self._device, non_blocking=True),
            )


class _Rows(Dataset[Pair]):
    """A split as a torch data set whose items are whole batches."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def __getitem__(self, rows: Indices) -> Pair:
        index, split = torch.from_numpy(rows), self._images
        return split.images.index_select(0, index), split.labels.index_select(0, index)


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
    workers; die with it, however it ends."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    sys.excepthook = _show_error
    parent = multiprocessing.parent_process()  # torch's workers else notice after seconds
    die_with_parent(None if parent is None else parent.pid)


def _show_error(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an error that nobody caught, but not that the process that reads has gone: the thread
    which hands tensors over meets that when a run is killed, just before the worker is too."""
    if not issubclass(kind, (EOFError, ConnectionError)):
        sys.__excepthook__(kind, error, trace)


def store_for(splits: Sequence[Images], keys: DataKeys, device: torch.device) -> list[Store]:
    """Return one store per split: all resident where they fit into memory, else all streamed."""
    needed = sum(split.images.nbytes for split in splits)
    if needed <= keys.resident_share * memory_bytes(device):
        if keys.workers:  # on another machine they may have
            log.info("data.workers=%d have nothing to do: all images fit into memory", keys.workers)
        return [Resident(split, device) for split in splits]
    return [Streamed(split, device, keys.workers) for split in splits]


def memory_bytes(device: torch.device) -> int:
    """Return the bytes of a GPU's memory, or the free ones of the machine or its container where
    images would lie in them."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return memory_free() or 0
