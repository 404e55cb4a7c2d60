"""Ten classes of small photographs."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.data import DATASETS, Source
from trainer.data._stats import Channels, check_channels
from trainer.data._torchvision import Published

FILES = Published(
    name="cifar10",
    class_name="CIFAR10",
    folder="cifar-10-batches-py",
    files=(*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
    packed="these files, or cifar-10-python.tar.gz in the folder above",
)


@DATASETS.register("cifar10")
@dataclass(frozen=True)
class Cifar10:
    """CIFAR-10: 50,000 training and 10,000 test photographs of 10 classes, 32x32, three channels.

    "Learning Multiple Layers of Features from Tiny Images", A. Krizhevsky, 2009.

    Attributes:
        mean: per-channel mean of the 50,000 training images, in [0, 1].
        std: per-channel standard deviation, likewise.
    """

    mean: Channels = (0.4914, 0.4822, 0.4465)
    std: Channels = (0.2470, 0.2435, 0.2616)

    def __post_init__(self) -> None:
        check_channels("data", self.mean, self.std, 3)

    def read(self, root: str) -> Source:
        """Return all images, from `cifar-10-batches-py` under `root`; downloaded if they are not
        there.

        Raises:
            DataError: if that fails, or a file is damaged.
        """
        return FILES.read(root, self.mean, self.std)
