"""Trees of image files, one folder per class; what `cifar10_jpeg` and `image_folder` share."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.data._cache import Plan, cached, content_key
from trainer.data._decode import decode_all
from trainer.data.base import Source
from trainer.errors import ConfigError, DataError

IGNORED = ("Thumbs.db", "desktop.ini")  # left behind by file managers, as are names that start with a dot
SMALLEST = 4  # pixels

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class File:
    """An image file.

    Attributes:
        path: where it is.
        name: path under the folder of the data set, with slashes.
        label: number of its class.
        size_bytes: length.
        time_ns: time of its last change.
    """

    path: Path
    name: str
    label: int
    size_bytes: int
    time_ns: int


def class_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the class folders, sorted by their characters' code points.

    Raises:
        DataError: if there are fewer than two.
    """
    try:
        names = sorted(entry.name for entry in _visible(folder) if entry.is_dir())
    except OSError as error:
        raise DataError(
            f"{folder.absolute()} not found: images belong into {folder.absolute()}/<class>/; set data.root to where they are"
        ) from error
    if len(names) < 2:
        found = f"only '{names[0]}'" if names else "none"
        raise DataError(f"{folder.absolute()} must hold a folder of images for each class, at least 2; found {found}")
    return tuple(names)


def files_of(base: Path, split: str, classes: tuple[str, ...]) -> list[File]:
    """Return the files of a split: class by class, each sorted by name.

    Args:
        base: folder of the data set.
        split: name of the split's folder in it.
        classes: names of the training classes.

    Raises:
        DataError: if the split has a class that training has not, or no image at all; or a training class is empty.
    """
    known = {name: label for label, name in enumerate(classes)}
    files: list[File] = []
    for name in class_names(base / split) if split == "train" else _present(base / split):
        if name not in known:
            raise DataError(f"{(base / split / name).absolute()}: class '{name}' is not among those of train/")
        entries = sorted((e for e in _visible(base / split / name) if e.is_file()), key=lambda e: e.name)
        if split == "train" and not entries:
            raise DataError(f"{(base / split / name).absolute()} holds no image")
        for entry in entries:
            stat = entry.stat()
            file_name = f"{split}/{name}/{entry.name}"
            files.append(File(Path(entry.path), file_name, known[name], stat.st_size, stat.st_mtime_ns))
    if not files:
        raise DataError(f"{(base / split).absolute()} holds no image")
    return files


def _present(folder: Path) -> list[str]:
    """Return the class folders of a split that need not have all classes."""
    return sorted(entry.name for entry in _visible(folder) if entry.is_dir())


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what a folder holds, without hidden and file managers' files."""
    with os.scandir(folder) as entries:
        yield from (e for e in entries if not e.name.startswith(".") and e.name not in IGNORED)


def check_cache_size(cache_size: int) -> None:
    """Refuse a size that no network can use.

    Raises:
        ConfigError: naming the key.
    """
    if cache_size < SMALLEST:
        raise ConfigError(f"data.cache_size must be {SMALLEST} pixels or more, got {cache_size}")


def read_files(
    root: Path, name: str, splits: dict[str, list[File]], *, classes: tuple[str, ...], cache_size: int
) -> Source:
    """Return the images of those files, decoded at `cache_size` pixels at first use and mapped from then on.

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
    files = [file for split in splits.values() for file in split]
    sizes = {split: len(members) for split, members in splits.items()}

    def fill(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        log.info("decoding %d images of %s at %d pixels, once", len(files), name, cache_size)
        decode_all([file.path for file in files], cache_size, images)
        labels[:] = [file.label for file in files]

    key = content_key(((f.name, f.size_bytes, f.time_ns) for f in files), cache_size, repr(sizes))
    return cached(root, name, key, lambda: Plan(sizes, (3, cache_size, cache_size), classes, fill))
