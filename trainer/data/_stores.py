"""Where images lie while a run lasts: on the training device, or in a file that workers read."""

import logging
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch.utils.data import Dataset

from trainer.core.environment import memory_free
from trainer.data._splits import Indices
from trainer.data._workers import read_ahead
from trainer.data.base import DataKeys, Images

log = logging.getLogger(__name__)

Pair = tuple[torch.Tensor, torch.Tensor]
Bounds = Sequence[tuple[int, int]]


class Store(Protocol):
    """Images of one split, to be taken in any order."""

    is_resident: bool

    def batches(self, order: Indices, bounds: Bounds) -> Iterator[Pair]:
        """Yield images and labels at `order[low:high]` for each of the bounds, on the device."""


class Resident:
    """Images on the training device as uint8; a batch is an index."""

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
    """Images that stay where they are, usually in a mapped cache file, and are read by workers; by
    this process where there are none."""

    is_resident = False

    def __init__(self, images: Images, device: torch.device, workers: int) -> None:
        self._rows = _Rows(images)
        self._device = device
        self._workers = workers

    def batches(self, order: Indices, bounds: Bounds) -> Iterator[Pair]:
        """Yield images and labels, read ahead by the workers in the same order as without them."""
        split = self._rows.split
        row_bytes = split.images[:1].nbytes + split.labels[:1].nbytes
        batches = read_ahead(
            self._rows,
            [order[low:high] for low, high in bounds],
            workers=self._workers,
            batch_bytes=max((high - low for low, high in bounds), default=0) * row_bytes,
            pin=self._device.type == "cuda",
        )
        for images, labels in batches:
            yield (
                images.to(self._device, non_blocking=True),
                labels.to(self._device, non_blocking=True),
            )


class _Rows(Dataset[Pair]):
    """A split as a torch data set whose items are whole batches."""

    def __init__(self, images: Images) -> None:
        self.split = images

    def __getitem__(self, rows: Indices) -> Pair:
        index, split = torch.from_numpy(rows), self.split
        return split.images.index_select(0, index), split.labels.index_select(0, index)


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
