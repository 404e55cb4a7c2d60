"""A hundred classes of small photographs."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.data import DATASETS, Source
from trainer.data._stats import Channels, check_channels
from trainer.data._torchvision import Published

FILES = Published(
    name="cifar100",
    class_name="CIFAR100",
    folder="cifar-100-python",
    files=("train", "test", "meta"),
    packed="these files, or cifar-100-python.tar.gz in the folder above",
)


@DATASETS.register("cifar100")
@dataclass(frozen=True)
class Cifar100:
    """CIFAR-100: 50,000 training and 10,000 test photographs of 100 classes, 32x32, three channels.

    "Learning Multiple Layers of Features from Tiny Images", A. Krizhevsky, 2009.

    Attributes:
        mean: per-channel mean of the 50,000 training images, in [0, 1].
        std: per-channel standard deviation, likewise.
    """

    mean: Channels = (0.5071, 0.4865, 0.4409)
    std: Channels = (0.2673, 0.2564, 0.2762)

    def __post_init__(self) -> None:
        check_channels("data", self.mean, self.std, 3)

    def read(self, root: str) -> Source:
        """Return all images, from `cifar-100-python` under `root`; downloaded if they are not
        there.

        Raises:
            DataError: if that fails, or a file is damaged.
        """
        return FILES.read(root, self.mean, self.std)
