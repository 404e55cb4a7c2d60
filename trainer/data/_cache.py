"""Decoded images on disk: made once, complete or not there at all, and mapped by every later run.

A cache is a folder `<name>-<key>` with `images.bin`, `labels.bin` and `meta.json`, under
`.trainer-cache` beside the data, or under the user's cache folder where that cannot be written. The
key says what went in, cheaply (names of files and what their file system says of them); the
fingerprint in `meta.json` says what came out, and sums of all three are looked at before each use.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.core.environment import cache_home
from trainer.core.errors import DiskError
from trainer.core.files import write_bytes
from trainer.core.locks import LockHeld, lock_of, locked
from trainer.data._stats import fingerprint, mean_std
from trainer.data.base import Images, Source

FORMAT = 2  # of the files, and of how images are decoded: a change makes every cache anew
FOLDER = ".trainer-cache"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TICK_NS, COARSE_TICK_NS = 20_000_000, 2_000_000_000  # between two times that a disk tells apart
END = 1024  # bytes
MASK = 2**64 - 1  # times may lie before 1970

log = logging.getLogger(__name__)

Fill = Callable[[NDArray[np.uint8], NDArray[np.int64]], Mapping[str, int]]


@contextlib.contextmanager
def in_the_making(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder`, to be renamed to it; what was not is removed.

    It is locked before it exists, so that one without a holder is always one left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        with locked(lock_of(making), wait=True):
            try:
                making.mkdir(mode=0o700)
                yield making
            finally:
                shutil.rmtree(making, ignore_errors=True)
    finally:
        with contextlib.suppress(OSError):  # nothing was made: leave no empty folder either
            folder.parent.rmdir()


def remove_abandoned(place: Path) -> None:
    """Remove what killed processes left in the making."""
    with contextlib.suppress(OSError):  # not there, or not ours to read
        for making in place.glob(".*-*"):
            if making.is_dir():
                with contextlib.suppress(LockHeld, OSError), locked(lock_of(making)):
                    shutil.rmtree(making, ignore_errors=True)


def reserve(path: Path, size: int) -> None:
    """Create a file whose blocks exist: a full disk is an error here, not a bus error later."""
    if shutil.disk_usage(path.parent).free < size:  # some systems would write until it is full
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)


@dataclass(frozen=True)
class CachePlan:
    """What a cache will hold, and how it is filled.

    Attributes:
        sizes: images of each split, in the order they are stored: `train`, `test`, and `val` where
            there is one.
        shape: (C, H, W).
        classes: (K,) names.
        fill: writes images (N, C, H, W) and labels (N,) of all splits, one after the other, and
            returns what it found (`Source.facts`).
    """

    sizes: dict[str, int]
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    fill: Fill

    @property
    def num(self) -> int:
        return sum(self.sizes.values())

    @property
    def image_bytes(self) -> int:
        return self.num * int(np.prod(self.shape))


def status(stat: os.stat_result) -> tuple[int, ...]:
    """Return what tells a file's contents from others that lay there: length in bytes, times of the
    last change of contents and of anything at all in ns, and inode."""
    times = stat.st_mtime_ns & MASK, stat.st_ctime_ns & MASK
    return stat.st_size, *times, stat.st_ino


def content_key(
    folder: Path, names: Sequence[str], stats: NDArray[np.uint64], *options: object
) -> str:
    """Return the key of a cache that is made with some options from files (N,) whose `status` is
    `stats` (N, 4).

    A time of a change that programs may set says little: archives are unpacked with one time for
    all files. So the time that only the system sets counts too, and the inode, as in git. Files
    changed just now could change again under the same time: then this waits until they cannot.
    Where all times are equal, as on a disk that keeps none, the files' ends are read as well.
    """
    digest = hashlib.sha256(repr((FORMAT, len(names), options)).encode())
    digest.update("\n".join(names).encode("utf-8", "surrogateescape"))
    digest.update(np.ascontiguousarray(stats, dtype="<u8").data)
    changes = stats[:, 2]
    newest = int(changes.max())
    tick = TICK_NS if (changes % 1_000_000_000).any() else COARSE_TICK_NS
    left_ns = newest + tick - time.time_ns()
    if left_ns > 0:
        time.sleep(min(left_ns, tick) / 1e9)
    if len(names) > 1 and newest == changes.min():
        for name in names:
            digest.update(_ends(folder / name))
    return digest.hexdigest()


def _ends(file: Path) -> bytes:
    """Return the first and last KiB of a file; nothing where it cannot be read, as its reader will
    say."""
    try:
        with open(file, "rb", buffering=0) as content:
            first = content.read(END)
            content.seek(-min(END, os.fstat(content.fileno()).st_size), os.SEEK_END)
            return first + content.read(END)
    except OSError:
        return b""


def cached(root: Path, name: str, key: str, plan: Callable[[], CachePlan]) -> Source:
    """Return the images of the cache with that key beside `root`, making it first, as `plan` says,
    where there is no whole one.

    Two processes that make it at once both end well: each builds under a name of its own, one
    renames first, and both use that. Where no folder can be written, the images are decoded into
    memory, at every run.

    Raises:
        DataError: from `plan` or its `fill`, if an image cannot be read.
        DiskError: if the disk is full.
    """
    folders = [place / f"{name}-{key[:24]}" for place in (root / FOLDER, _user_cache())]
    for folder in folders:
        remove_abandoned(folder.parent)
        if source := _load(folder):
            return source
        if os.path.isdir(folder):  # False too where nothing may be looked for
            log.info("%s is damaged: the images are decoded anew", folder)
    todo = plan()
    full: OSError | None = None
    for folder in folders:
        try:
            _build(folder, todo)
        except OSError as error:  # read-only, forbidden, not a folder, full: the next place may do
            full = error if error.errno in FULL else full
        else:
            if source := _load(folder):
                return source
    if full is not None:
        what = f"{todo.image_bytes} bytes needed, {shutil.disk_usage(root).free} free"
        raise DiskError(f"no room in {root / FOLDER}: {what}") from full
    images = np.empty((todo.num, *todo.shape), dtype=np.uint8)
    labels, meta = _filled(images, todo)
    return _source(torch.from_numpy(images), torch.from_numpy(labels), meta)


def _user_cache() -> Path:
    """Return the folder for caches of data that lies where nothing may be written."""
    return (cache_home() or Path(os.devnull)) / "trainer"  # no home: no such folder


def _load(folder: Path) -> Source | None:
    """Return the images of a cache, mapped copy-on-write; None if it is not there, or not as it was
    made."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        labels = np.fromfile(folder / "labels.bin", "<i8").astype(np.int64)
        shape = (len(labels), *meta["shape"])
        images = np.memmap(folder / "images.bin", np.uint8, "c", shape=shape)
        whole = (
            meta["format"] == FORMAT
            and meta["seal"] == _seal(meta)
            and meta["labels_sha256"] == hashlib.sha256(labels.data).hexdigest()
            and (folder / "images.bin").stat().st_size == images.size
            and meta["images_crc32"] == zlib.crc32(images.data)
        )
        if not whole:
            return None
        return _source(torch.from_numpy(images), torch.from_numpy(labels), meta)
    except (OSError, ValueError, KeyError, TypeError):  # damaged in any way: made anew
        return None


def _seal(meta: dict[str, Any]) -> str:
    """Return the SHA-256 of what `meta.json` says, without itself."""
    rest = {key: value for key, value in meta.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _source(images: torch.Tensor, labels: torch.Tensor, meta: dict[str, Any]) -> Source:
    splits = _split(images, labels, meta["sizes"])
    return Source(
        splits["train"],
        splits["test"],
        tuple(meta["classes"]),
        tuple(meta["mean"]),
        tuple(meta["std"]),
        meta["fingerprint"],
        splits.get("val"),
        meta["facts"],
    )


def _split(images: torch.Tensor, labels: torch.Tensor, sizes: dict[str, int]) -> dict[str, Images]:
    """Return the splits that lie one after the other in `images` and `labels`."""
    splits, low = {}, 0
    for name, size in sizes.items():
        splits[name] = Images(images[low : low + size], labels[low : low + size])
        low += size
    return splits


def _filled(images: NDArray[np.uint8], plan: CachePlan) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """Fill the array `images`; return the labels and what `meta.json` says."""
    labels = np.empty(plan.num, dtype=np.int64)
    facts = dict(plan.fill(images, labels))
    splits = _split(torch.from_numpy(images), torch.from_numpy(labels), plan.sizes)
    mean, std = mean_std(splits["train"].images)
    meta = {
        "format": FORMAT,
        "sizes": plan.sizes,
        "shape": plan.shape,
        "classes": plan.classes,
        "mean": mean,
        "std": std,
        "facts": facts,
        "fingerprint": fingerprint(splits.values()),
        "labels_sha256": hashlib.sha256(labels.data).hexdigest(),
        "images_crc32": zlib.crc32(images.data),  # at every use: 0.04 s for 150 MB
    }
    return labels, {**meta, "seal": _seal(meta)}


def _build(folder: Path, plan: CachePlan) -> None:
    """Make a cache under a temporary name, flush it, and rename it to `folder`."""
    with in_the_making(folder) as building:
        path = building / "images.bin"
        reserve(path, plan.image_bytes)
        images = np.memmap(path, np.uint8, "r+", shape=(plan.num, *plan.shape))
        labels, meta = _filled(images, plan)
        images.flush()
        write_bytes(building / "labels.bin", labels.astype("<i8").tobytes())
        write_bytes(building / "meta.json", json.dumps(meta).encode())
        building.chmod(0o755)  # private until now; other users of the data may map this one
        _publish(building, folder)


def _publish(building: Path, folder: Path) -> None:
    """Rename a finished cache to its name, unless another process was first with a whole one."""
    while True:
        try:
            os.rename(building, folder)
            return
        except OSError:
            if not folder.is_dir():
                raise
        if _load(folder):
            return
        aside = building.with_name(f"{building.name}-old")
        try:
            os.rename(folder, aside)
        except FileNotFoundError:  # another process did
            continue
        shutil.rmtree(aside, ignore_errors=True)
