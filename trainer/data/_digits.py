"""The packaged digits as arrays; what `digits` and `digits_hard` share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.core.errors import DataError

FILE = Path(__file__).with_name("digits.npz")
CLASSES = tuple("0123456789")
WHITE = 16  # the largest stored value


@dataclass(frozen=True)
class Digits:
    """Some of the digits, in the order of the published file: pixels (N, 8, 8) uint8 in [0, 16],
    labels (N,) int64."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


def load_digits() -> tuple[Digits, Digits]:
    """Return the 1,437 training and the 360 test digits: a stratified choice, fixed in the file.

    Raises:
        DataError: if the package's own file is missing or damaged.
    """
    try:
        with np.load(FILE, allow_pickle=False) as arrays:
            pixels, labels = arrays["images"], arrays["labels"].astype(np.int64)
            is_test = arrays["is_test"]
    except Exception as error:  # a damaged archive raises a dozen different types
        raise DataError(
            f"{FILE} is missing or damaged ({error}): install the package again"
        ) from error
    return Digits(pixels[~is_test], labels[~is_test]), Digits(pixels[is_test], labels[is_test])
