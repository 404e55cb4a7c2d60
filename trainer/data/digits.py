"""Handwritten digits of 8x8 pixels that come with the package."""

from dataclasses import dataclass

import numpy as np
import torch

from trainer.data import DATASETS, Images, Source, fingerprint, mean_std
from trainer.data._digits import CLASSES, WHITE, Digits, load_digits


@DATASETS.register("digits")
@dataclass(frozen=True)
class DigitsData:
    """1,797 real handwritten digits, 8x8, one channel: 1,437 to train on and 360 to test
    (stratified, fixed).

    "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine Learning
    Repository, CC BY 4.0: its test set, as scikit-learn distributes it. Nothing is downloaded.
    """

    def read(self, root: str) -> Source:
        """Return all images, their 17 grey levels spread over 0..255; `root` is not looked at."""
        train, test = (_spread(digits) for digits in load_digits())
        mean, std = mean_std(train.images)
        return Source(train, test, CLASSES, mean, std, fingerprint([train, test]))


def _spread(digits: Digits) -> Images:
    """Return digits as images with values in [0, 255], rounded."""
    pixels = (digits.pixels.astype(np.uint16) * 255 + WHITE // 2) // WHITE
    return Images(
        torch.from_numpy(pixels.astype(np.uint8)[:, None]), torch.from_numpy(digits.labels)
    )
