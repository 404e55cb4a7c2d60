"""What pixels become that an augmentation takes away."""

from typing import Literal

import torch

from trainer.data import Batch

Fill = Literal["mean", "zeros"]


def fill_value(batch: Batch, fill: Fill, dtype: torch.dtype) -> torch.Tensor:
    """Return the value (C, 1, 1), in [0, 255], of pixels taken away.

    Args:
        batch: whose images they are of.
        fill: `mean` of the training images, per channel, which is 0 once normalised; or `zeros`.
        dtype: of the value; rounded if that is a whole number.
    """
    channels = batch.images.shape[1]
    values = [255 * m for m in batch.mean] if fill == "mean" else [0.0] * channels
    if not dtype.is_floating_point:
        values = [round(v) for v in values]
    value = torch.tensor(values, dtype=dtype).view(channels, 1, 1)
    return value.to(batch.images.device, non_blocking=True)
