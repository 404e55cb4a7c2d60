"""Trees of image files, one folder per class; what `cifar10_jpeg` and `image_folder` share."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

import numpy as np
from numpy.typing import NDArray

from trainer.core.errors import ConfigError, DataError
from trainer.data._cache import CachePlan, cached, content_key, status
from trainer.data._decode import decode_all
from trainer.data.base import Source

IGNORED = ("Thumbs.db", "desktop.ini")  # of file managers, as are names that start with a dot
SMALLEST, LARGEST = 4, 4096  # pixels

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Files:
    """Image files of one split; columns, not rows, as listing 60,000 files must take half a second.

    Attributes:
        folder: of the data set.
        names: (N,) paths under it.
        stats: (N, 4) as `status` gives them.
        labels: (N,) int64.
    """

    folder: Path
    names: list[str]
    stats: NDArray[np.uint64]
    labels: NDArray[np.int64]

    def take(self, indices: NDArray[np.int64]) -> Files:
        """Return the files at those positions."""
        names = [self.names[i] for i in indices]
        return Files(self.folder, names, self.stats[indices], self.labels[indices])


def class_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the class folders, sorted by their characters' code points.

    Raises:
        DataError: if there are fewer than two, or no such folder.
    """
    names = _present(folder)
    if len(names) < 2:
        found = f"only '{names[0]}'" if names else "none"
        raise DataError(
            f"{folder.absolute()} must hold a folder of images for each class, "
            f"at least 2; found {found}"
        )
    return tuple(names)


def files_of(base: Path, split: str, classes: tuple[str, ...]) -> Files:
    """Return the files of a split: class by class, each sorted by name.

    Args:
        base: folder of the data set.
        split: name of the split's folder in it.
        classes: names of the training classes.

    Raises:
        DataError: if the split has a class that training has not, or no image at all; or a training
        class is empty.
    """
    folder = base / split
    names: list[str] = []
    stats: list[tuple[int, ...]] = []
    labels: list[int] = []
    for name in classes if split == "train" else _present(folder):
        if name not in classes:
            raise DataError(
                f"{(folder / name).absolute()}: class '{name}' is not among those of train/"
            )
        entries = _entries(folder / name)
        if split == "train" and not entries:
            raise DataError(f"{(folder / name).absolute()} holds no image")
        names += [f"{split}/{name}/{entry}" for entry, _ in entries]
        stats += [status(stat) for _, stat in entries]
        labels += [classes.index(name)] * len(entries)
    if not names:
        raise DataError(f"{folder.absolute()} holds no image")
    return Files(base, names, np.array(stats, dtype=np.uint64), np.array(labels, dtype=np.int64))


def _entries(folder: Path) -> list[tuple[str, os.stat_result]]:
    """Return name and status of every image file of a class, sorted by name.

    Raises:
        DataError: if the folder may not be read, or a link in it leads nowhere; names it.
    """
    try:
        files = [e for e in _visible(folder) if e.is_symlink() or e.is_file()]
        entries = [(e.name, stat) for e in files if not S_ISDIR((stat := e.stat()).st_mode)]
    except OSError as error:
        raise _unreadable(error, folder) from error
    return sorted(entries, key=lambda entry: entry[0])


def _unreadable(error: OSError, folder: Path) -> DataError:
    """Return the error of a file or folder that is there and cannot be read."""
    path = Path(error.filename or folder).absolute()
    return DataError(f"{path} cannot be read: {os.strerror(error.errno or 0).lower()}")


def _present(folder: Path) -> list[str]:
    """Return the class folders of a split that need not have all classes.

    Raises:
        DataError: if the split's folder is missing or cannot be read.
    """
    try:
        return sorted(entry.name for entry in _visible(folder) if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError) as error:
        where = folder.absolute()
        there = where.parent
        found = sorted(e.name for e in there.iterdir() if e.is_dir()) if there.is_dir() else []
        raise DataError(
            f"{where} not found: images belong into {where}/<class>/"
            + (f"; {there} holds {', '.join(found[:3])}" if found else "")
            + "; set data.root to the folder above train"
        ) from error
    except OSError as error:
        raise _unreadable(error, folder) from error


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what a folder holds, without hidden and file managers' files."""
    with os.scandir(folder) as entries:
        yield from (e for e in entries if not e.name.startswith(".") and e.name not in IGNORED)


def check_cache_size(cache_size: int) -> None:
    """Refuse a size that no network can use.

    Raises:
        ConfigError: naming the key.
    """
    if not SMALLEST <= cache_size <= LARGEST:
        raise ConfigError(
            f"data.cache_size must be from {SMALLEST} to {LARGEST} pixels, got {cache_size}"
        )


def read_files(
    root: Path, name: str, splits: dict[str, Files], *, classes: tuple[str, ...], cache_size: int
) -> Source:
    """Return the images of those files, decoded at `cache_size` pixels at first use and mapped from
    then on.

    Mean and deviation are those of the training images.

    Args:
        root: folder beside which the cache lies.
        name: of the data set.
        splits: files of `train`, `test` and perhaps `val`.
        classes: names of the classes.
        cache_size: height and width of the stored images.

    Raises:
        DataError: naming the file that is broken.
    """
    names = [name for files in splits.values() for name in files.names]
    sizes = {split: len(files.names) for split, files in splits.items()}

    def fill(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        log.info("decoding %d images of %s at %d pixels, once", len(names), name, cache_size)
        decode_all([folder / name for name in names], cache_size, images)
        np.concatenate([files.labels for files in splits.values()], out=labels)

    stats = np.concatenate([files.stats for files in splits.values()])
    folder = splits["train"].folder
    key = content_key(folder, names, stats, cache_size, sizes)
    return cached(
        root, name, key, lambda: CachePlan(sizes, (3, cache_size, cache_size), classes, fill)
    )
