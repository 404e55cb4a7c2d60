"""The handwritten digits that everything was tried on."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.data import DATASETS, Source
from trainer.data._stats import Channels, check_channels
from trainer.data._torchvision import IDX, Published

FILES = Published(
    name="mnist",
    class_name="MNIST",
    folder="MNIST/raw",
    files=IDX,
    packed="these files, unpacked or as .gz",
    classes=tuple("0123456789"),
)


@DATASETS.register("mnist")
@dataclass(frozen=True)
class Mnist:
    """MNIST: 60,000 training and 10,000 test images of handwritten digits, 28x28, one channel.

    "Gradient-Based Learning Applied to Document Recognition", LeCun et al., Proc. IEEE 1998.

    Attributes:
        mean: per-channel mean of the 60,000 training images, in [0, 1].
        std: per-channel standard deviation, likewise.
    """

    mean: Channels = (0.1307,)
    std: Channels = (0.3081,)

    def __post_init__(self) -> None:
        check_channels("data", self.mean, self.std, 1)

    def read(self, root: str) -> Source:
        """Return all images, from `MNIST/raw` under `root`; downloaded if they are not there.

        Raises:
            DataError: if that fails, or a file is damaged.
        """
        return FILES.read(root, self.mean, self.std)
