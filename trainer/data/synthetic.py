"""Made-up images of any size and number, for trying things out and for measuring speed."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.core import rng
from trainer.data import DATASETS, ConfigError, Images, Source, check_in, fingerprint, mean_std

CELLS = 4  # a pattern is a grid of so many cells in height and width
ROWS = 1024  # images made in one go


@DATASETS.register("synthetic")
@dataclass(frozen=True)
class Synthetic:
    """Each class has a pattern of coarse random cells; each image is its class's pattern under
    random noise.

    The same on every machine: whole numbers only, from fixed streams, which the run's seed does not
    move.

    Attributes:
        num_train: training images; at least one for each class.
        num_test: test images, likewise.
        image_shape: (C, H, W).
        num_classes: classes, which all have the same number of images (or one more).
        noise: share of the noise in a pixel, in [0, 1]; with 1 there is nothing to learn.
    """

    num_train: int = 2000
    num_test: int = 500
    image_shape: tuple[int, int, int] = (3, 32, 32)
    num_classes: int = 10
    noise: float = 0.5

    def __post_init__(self) -> None:
        check_in("[2, inf)", "data.num_classes", self.num_classes)
        for key in ("num_train", "num_test"):
            if getattr(self, key) < self.num_classes:
                raise ConfigError(
                    f"data.{key} must be at least data.num_classes={self.num_classes}, "
                    f"got {getattr(self, key)}"
                )
        if min(self.image_shape) < 1:
            raise ConfigError(f"data.image_shape must be positive, got {list(self.image_shape)}")
        check_in("[0, 1]", "data.noise", self.noise)

    def read(self, root: str) -> Source:
        """Return all images; `root` is not looked at."""
        patterns = self._patterns()
        train, test = (
            self._images(patterns, num, name)
            for num, name in ((self.num_train, "train"), (self.num_test, "test"))
        )
        mean, std = mean_std(train.images)
        classes = tuple(str(k) for k in range(self.num_classes))
        return Source(train, test, classes, mean, std, fingerprint([train, test]))

    def _patterns(self) -> NDArray[np.uint16]:
        """Return (K, C, H, W) patterns in [0, 255]."""
        channels, height, width = self.image_shape
        cells = _bytes((self.num_classes, channels, CELLS, CELLS), "patterns")
        rows, columns = np.arange(height) * CELLS // height, np.arange(width) * CELLS // width
        return cells[:, :, rows][:, :, :, columns].astype(np.uint16)

    def _images(self, patterns: NDArray[np.uint16], num: int, name: str) -> Images:
        """Return `num` images whose labels go round the classes."""
        labels = np.arange(num, dtype=np.int64) % self.num_classes
        images = np.empty((num, *self.image_shape), dtype=np.uint8)
        share = round(self.noise * 256)  # in 256ths, so that pixels are whole numbers throughout
        for start in range(0, num, ROWS):
            rows = slice(start, min(start + ROWS, num))
            noise = _bytes((rows.stop - start, *self.image_shape), name, start)
            images[rows] = (
                patterns[labels[rows]] * np.uint16(256 - share) + noise * np.uint16(share)
            ) >> 8
        return Images(torch.from_numpy(images), torch.from_numpy(labels))


def _bytes(shape: tuple[int, ...], *names: str | int) -> NDArray[np.uint8]:
    """Return uniform random bytes of a fixed stream."""
    return np.frombuffer(
        rng.stream(0, "synthetic", *names).bytes(int(np.prod(shape))), np.uint8
    ).reshape(shape)
