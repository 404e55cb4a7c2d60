"""What taken pixels become."""

from __future__ import annotations

import torch

from trainer.augment._fill import fill_value
from trainer.data.base import Batch


def test_the_mean_of_the_training_images_or_zero() -> None:
    batch = Batch(torch.zeros(2, 3, 4, 4), torch.zeros(2).long(), 10, mean=(0.5, 0.1, 1.0))
    value = fill_value(batch, "mean", torch.float64)
    assert value.shape == (3, 1, 1)
    assert value.flatten().tolist() == [127.5, 25.5, 255.0]
    rounded = fill_value(batch, "mean", torch.uint8)
    assert (rounded.dtype, rounded.flatten().tolist()) == (torch.uint8, [128, 26, 255])
    assert fill_value(batch, "zeros", torch.uint8).flatten().tolist() == [0, 0, 0]
