"""Ten kinds of clothes, in the format of MNIST."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.data import DATASETS, Source
from trainer.data._stats import Channels, check_channels
from trainer.data._torchvision import IDX, Published

FILES = Published(
    name="fashion_mnist",
    class_name="FashionMNIST",
    folder="FashionMNIST/raw",
    files=IDX,
    packed="these files, unpacked or as .gz",
)


@DATASETS.register("fashion_mnist")
@dataclass(frozen=True)
class FashionMnist:
    """Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28x28, one channel.

    "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
    arXiv:1708.07747.

    Attributes:
        mean: per-channel mean of the 60,000 training images, in [0, 1].
        std: per-channel standard deviation, likewise.
    """

    mean: Channels = (0.2860,)
    std: Channels = (0.3530,)

    def __post_init__(self) -> None:
        check_channels("data", self.mean, self.std, 1)

    def read(self, root: str) -> Source:
        """Return all images, from `FashionMNIST/raw` under `root`; downloaded if they are not
        there.

        Raises:
            DataError: if that fails, or a file is damaged.
        """
        return FILES.read(root, self.mean, self.std)
