"""Data sets that torchvision downloads, checks and reads: MNIST, Fashion-MNIST and CIFAR."""

import contextlib
import importlib
import io
import struct
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trainer.core.errors import ConfigError, DataError
from trainer.core.file_kinds import kind_of
from trainer.core.limits import short_timeout
from trainer.data._cache import CachePlan, cached, content_key, status
from trainer.data._stats import Channels
from trainer.data.base import DATASETS, Source

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
        mean: (C,) per-channel mean of all training images, in [0, 1].
        std: (C,) per-channel standard deviation, likewise.
        name: of the component.
        class_name: of torchvision's class.
        folder: where its files lie under `data.root`.
        files: what must be there, unpacked.
        channels: of its images.
        packed: what may lie there instead, in words.
        classes: names where torchvision's are not wanted.
    """

    mean: Channels
    std: Channels
    name: ClassVar[str]
    class_name: ClassVar[str]
    folder: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    channels: ClassVar[int] = 1
    packed: ClassVar[str] = "these files, unpacked or as .gz"
    classes: ClassVar[tuple[str, ...] | None] = None

    def __post_init__(self) -> None:
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ConfigError(
                f"data.mean and data.std need {self.channels} value(s), one per channel; "
                f"got {list(self.mean)} and {list(self.std)}"
            )
        if min(self.std) <= 0:
            raise ConfigError(f"data.std must be positive, got {list(self.std)}")

    def read(self, root: str) -> Source:
        """Return all images, from the cache if it was made before; downloaded if need be.

        Raises:
            DataError: if files are missing and cannot be downloaded, or are damaged.
        """
        folder = Path(root) / self.folder
        if self._missing(folder):
            self._torchvision(root, train=True, download=True)
        if self._missing(folder):
            raise DataError(self._message(folder, None))
        stats = np.array([status((folder / file).stat()) for file in self.files], dtype=np.uint64)
        key = content_key(folder, self.files, stats)
        source = cached(Path(root), self.name, key, lambda: self._plan(root))
        return replace(source, mean=self.mean, std=self.std)

    def _plan(self, root: str) -> CachePlan:
        for file in self.files:
            if file in IDX:
                check_idx(Path(root) / self.folder / file)
        splits = {
            name: self._torchvision(root, train=name == "train", download=False)
            for name in ("train", "test")
        }
        stored = [np.asarray(split.data) for split in splits.values()]  # (N, H, W) or (N, H, W, C)
        pixels = [p[:, None] if p.ndim == 3 else p.transpose(0, 3, 1, 2) for p in stored]
        targets = [np.asarray(split.targets, dtype=np.int64) for split in splits.values()]

        def fill(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> dict[str, int]:
            np.concatenate(pixels, out=images)
            np.concatenate(targets, out=labels)
            return {}

        sizes = {name: len(part) for name, part in zip(splits, pixels, strict=True)}
        channels, height, width = pixels[0].shape[1:]
        return CachePlan(
            sizes, (channels, height, width), self.classes or tuple(splits["train"].classes), fill
        )

    def _torchvision(self, root: str, *, train: bool, download: bool) -> Any:
        folder = Path(root) / self.folder
        new = [place for place in (folder, *folder.parents) if not place.exists()]
        # takes seconds; a cached run does without
        datasets = importlib.import_module("torchvision.datasets")
        try:
            with _quiet(), short_timeout():
                return getattr(datasets, self.class_name)(root, train=train, download=download)
        # URLError, RuntimeError, OSError, those of pickle: all mean the same to a user
        except Exception as error:
            for place in new:  # torchvision makes folders before it downloads
                with contextlib.suppress(OSError):
                    place.rmdir()
            raise DataError(self._message(folder, error)) from error

    def _missing(self, folder: Path) -> list[str]:
        return [file for file in self.files if not (folder / file).is_file()]

    def _message(self, folder: Path, error: Exception | None) -> str:
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
    """Raise DataError unless a file has the length that its header says, which torchvision does not
    check in a readable way."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        header = file.read(16)
    dims = header[3] if len(header) >= 8 else 0
    if header[:3] != b"\0\0\x08" or not 1 <= dims <= 3 or len(header) < 4 + 4 * dims:
        kind = kind_of(path)
        what = f"it is {kind}" if kind else "it has no header of an IDX file of bytes"
        raise DataError(f"{path} is damaged: {what}")
    shape = struct.unpack(f">{dims}I", header[4 : 4 + 4 * dims])
    expected = 4 + 4 * dims + int(np.prod(shape))
    if size != expected:
        raise DataError(f"{path} is damaged: {size} bytes, but its header says {expected}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torchvision prints, and warnings about its old files, off the screen."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        # some numpy versions deprecate dtypes as CIFAR pickles them; tarfile, no filter
        warnings.simplefilter("ignore")
        yield


@DATASETS.register("mnist")
@dataclass(frozen=True)
class Mnist(Published):
    """MNIST: 60,000 training and 10,000 test images of handwritten digits, 28x28, one channel.

    "Gradient-Based Learning Applied to Document Recognition", LeCun et al., Proc. IEEE 1998.
    """

    mean: Channels = (0.1307,)
    std: Channels = (0.3081,)
    name, class_name, folder, files = "mnist", "MNIST", "MNIST/raw", IDX
    classes = tuple("0123456789")


@DATASETS.register("fashion_mnist")
@dataclass(frozen=True)
class FashionMnist(Published):
    """Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28x28, one channel.

    "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
    arXiv:1708.07747.
    """

    mean: Channels = (0.2860,)
    std: Channels = (0.3530,)
    name, class_name, folder, files = "fashion_mnist", "FashionMNIST", "FashionMNIST/raw", IDX


@DATASETS.register("cifar10")
@dataclass(frozen=True)
class Cifar10(Published):
    """CIFAR-10: 50,000 training and 10,000 test photographs of 10 classes, 32x32, three channels.

    "Learning Multiple Layers of Features from Tiny Images", A. Krizhevsky, 2009.
    """

    mean: Channels = (0.4914, 0.4822, 0.4465)
    std: Channels = (0.2470, 0.2435, 0.2616)
    channels = 3
    name, class_name, folder = "cifar10", "CIFAR10", "cifar-10-batches-py"
    files = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
    packed = "these files, or cifar-10-python.tar.gz in the folder above"


@DATASETS.register("cifar100")
@dataclass(frozen=True)
class Cifar100(Published):
    """CIFAR-100: 50,000 training and 10,000 test photographs of 100 classes, 32x32, three channels.

    "Learning Multiple Layers of Features from Tiny Images", A. Krizhevsky, 2009.
    """

    mean: Channels = (0.5071, 0.4865, 0.4409)
    std: Channels = (0.2673, 0.2564, 0.2762)
    channels = 3
    name, class_name, folder = "cifar100", "CIFAR100", "cifar-100-python"
    files = ("train", "test", "meta")
    packed = "these files, or cifar-100-python.tar.gz in the folder above"
