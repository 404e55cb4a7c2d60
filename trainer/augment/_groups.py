"""Different operations for different images of a batch, each applied to all of its images at
once."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.augment._draws import to_device

Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def by_choice(
    images: torch.Tensor, choice: NDArray[np.int64], operations: Sequence[Operation]
) -> torch.Tensor:
    """Return images (B, C, H, W) each of which went through the operation chosen for it.

    The choice is known before the device has to be asked, and every image is worked on once.

    Args:
        images: of any type.
        choice: (B,) places in `operations`.
        operations: each is given its images and their places in the batch.
    """
    result = torch.empty_like(images)
    for number, operation in enumerate(operations):
        rows = np.flatnonzero(choice == number)
        if len(rows):
            places = to_device(rows, images)
            result[places] = operation(images[places], places)
    return result
