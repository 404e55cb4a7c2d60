"""Trees of image files as a source; what `cifar10_jpeg` and `image_folder` share."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.core.errors import ConfigError
from trainer.data._cache import CachePlan, cached, content_key
from trainer.data._decode import decode_all
from trainer.data._listing import Files
from trainer.data._stats import repeats
from trainer.data.base import Source

SMALLEST, LARGEST = 4, 4096  # pixels

log = logging.getLogger(__name__)


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
    root: Path,
    name: str,
    splits: dict[str, Files],
    *,
    classes: tuple[str, ...],
    cache_size: int,
    list_sha256: str | None = None,
) -> Source:
    """Return the images of those files, decoded at `cache_size` pixels at first use and mapped from
    then on; say how many of them are in two splits.

    Mean and deviation are those of the training images. Where a file lists them, its SHA-256
    is `list_sha256`: another list is another data set, though the pixels be the same.

    Raises:
        DataError: naming the files that are broken.
    """
    folder = splits["train"].folder
    names = [name for files in splits.values() for name in files.names]
    sizes = {split: len(files.names) for split, files in splits.items()}

    def fill(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> dict[str, int]:
        log.info("decoding %d images of %s at %d pixels, once", len(names), name, cache_size)
        facts = decode_all([folder / name for name in names], cache_size, images)
        for text in notes_on_decoding(facts):
            log.info("%s", text)
        np.concatenate([files.labels for files in splits.values()], out=labels)
        return {**facts, **repeats(images, sizes)}

    stats = np.concatenate([files.stats for files in splits.values()])
    options = (cache_size, sizes, classes, *([] if list_sha256 is None else [list_sha256]))
    key = content_key(folder, names, stats, *options)
    source = cached(
        root, name, key, lambda: CachePlan(sizes, (3, cache_size, cache_size), classes, fill)
    )
    for split, size in sizes.items():
        if count := source.facts.get(f"{split}_in_train", 0):
            log.warning("%d of %d %s images are also among those of train", count, size, split)
    if copies := source.facts["train_copies"]:
        log.warning("%d of %d train images are copies of others", copies, sizes["train"])
    named = {s: replace(getattr(source, s), names=files.names) for s, files in splits.items()}
    if list_sha256 is not None:
        both = f"{source.fingerprint} {list_sha256}".encode()
        source = replace(source, fingerprint=hashlib.sha256(both).hexdigest())
    return replace(source, **named)


def notes_on_decoding(facts: Mapping[str, int]) -> Iterator[str]:
    """Yield in words what decoding did to images, as `decode_all` counted it."""
    if count := facts["turned"]:
        yield f"{count} images were turned upright, as their EXIF orientation says"
    if count := facts["transparent"]:
        yield f"{count} images are transparent in parts, and were laid on white"
    if count := facts["deep"]:
        bits = facts["bits"]
        used = f"whose grey values use {bits}: the upper 8 of those" if bits < 16 else "the upper 8"
        yield f"{count} images have 16 bits a channel, {used} are kept"
