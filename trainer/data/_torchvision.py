"""Data sets that torchvision downloads, checks and reads; what mnist, fashion_mnist, cifar10 and
cifar100 share.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import struct
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.core.errors import DataError
from trainer.core.limits import short_timeout
from trainer.data._cache import CachePlan, cached, content_key
from trainer.data._stats import Channels
from trainer.data.base import Source

IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class Published:
    """One of torchvision's data sets.

    Attributes:
        name: of the component.
        class_name: of torchvision's class.
        folder: where its files lie under `data.root`.
        files: what must be there, unpacked.
        packed: what may lie there instead, in words.
        classes: names where torchvision's are not wanted.
    """

    name: str
    class_name: str
    folder: str
    files: tuple[str, ...]
    packed: str
    classes: tuple[str, ...] | None = None

    def read(self, root: str, mean: Channels, std: Channels) -> Source:
        """Return all images, from the cache if it was made before.

        Raises:
            DataError: if files are missing and cannot be downloaded, or are damaged.
        """
        folder = Path(root) / self.folder
        if self._missing(folder):
            self._torchvision(root, train=True, download=True)
        if self._missing(folder):
            raise DataError(self._message(folder, None))
        stats = [(folder / file).stat() for file in self.files]
        key = content_key(
            self.files, np.array([(stat.st_size, stat.st_mtime_ns) for stat in stats])
        )
        source = cached(Path(root), self.name, key, lambda: self._plan(root))
        return replace(source, mean=mean, std=std)

    def _plan(self, root: str) -> CachePlan:
        """Return what to store, read through torchvision."""
        for file in self.files:
            if file in IDX:
                check_idx(Path(root) / self.folder / file)
        splits = {
            name: self._torchvision(root, train=name == "train", download=False)
            for name in ("train", "test")
        }
        pixels = [_channels_first(np.asarray(split.data)) for split in splits.values()]
        targets = [np.asarray(split.targets, dtype=np.int64) for split in splits.values()]

        def fill(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
            np.concatenate(pixels, out=images)
            np.concatenate(targets, out=labels)

        sizes = {name: len(part) for name, part in zip(splits, pixels, strict=True)}
        channels, height, width = pixels[0].shape[1:]
        return CachePlan(
            sizes, (channels, height, width), self.classes or tuple(splits["train"].classes), fill
        )

    def _torchvision(self, root: str, *, train: bool, download: bool) -> Any:
        """Return torchvision's data set."""
        folder = Path(root) / self.folder
        new = [place for place in (folder, *folder.parents) if not place.exists()]
        datasets = importlib.import_module(
            "torchvision.datasets"
        )  # seconds; a cached run does without
        try:
            with _quiet(), short_timeout():
                return getattr(datasets, self.class_name)(root, train=train, download=download)
        except (
            Exception
        ) as error:  # URLError, RuntimeError, OSError, pickle's: all mean the same to a user
            for (
                place
            ) in new:  # torchvision makes folders before it downloads; empty ones say nothing
                with contextlib.suppress(OSError):
                    place.rmdir()
            raise DataError(self._message(folder, error)) from error

    def _missing(self, folder: Path) -> list[str]:
        """Return the files that are not there."""
        return [file for file in self.files if not (folder / file).is_file()]

    def _message(self, folder: Path, error: Exception | None) -> str:
        """Return what is missing, why it could not be had, and where it belongs."""
        missing, where = self._missing(folder), folder.absolute()
        reason = textwrap.shorten(str(error or ""), 200, placeholder=" ...") or type(error).__name__
        if not missing:
            return (
                f"data={self.name}: a file in {where} is damaged ({reason}); "
                "remove it to download it again"
            )
        why = f"; they could not be downloaded: {reason}" if error else ""
        return (
            f"data={self.name}: put into {where}: {', '.join(missing)} "
            f"({self.packed}), or set data.root to where they are{why}"
        )


def check_idx(path: Path) -> None:
    """Compare a file's length with its header, which torchvision does not do in a readable way.

    Raises:
        DataError: naming the file.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        header = file.read(16)
    dims = header[3] if len(header) >= 8 else 0
    if header[:3] != b"\0\0\x08" or not 1 <= dims <= 3 or len(header) < 4 + 4 * dims:
        raise DataError(f"{path} is damaged: it has no header of an IDX file of bytes")
    shape = struct.unpack(f">{dims}I", header[4 : 4 + 4 * dims])
    expected = 4 + 4 * dims + int(np.prod(shape))
    if size != expected:
        raise DataError(f"{path} is damaged: {size} bytes, but its header says {expected}")


def _channels_first(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, C, H, W) from (N, H, W) or (N, H, W, C)."""
    return pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep torchvision's chatter and the warnings about how its old files are written off the
    screen.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        # some numpy versions deprecate dtypes as CIFAR pickles them; tarfile, no filter
        warnings.simplefilter("ignore")
        yield
