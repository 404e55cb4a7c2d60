"""What several augmentations do to the pixels of whole batches: each image of a batch its own.

Grids are in the units of torch's grid_sample: -1 and 1 are the outer edges of the image.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from trainer.augment._boxes import Boxes, Ints
from trainer.augment._draws import to_device
from trainer.data import Batch

Fill = Literal["mean", "zeros"]
Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


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


def by_choice(
    images: torch.Tensor, choice: NDArray[np.int64], operations: Sequence[Operation]
) -> torch.Tensor:
    """Return images (B, C, H, W) each of which went through the operation (B,) chosen for it; an
    operation is given its images and their places in the batch.

    The choice is known before the device has to be asked, and every image is worked on once.
    """
    result = torch.empty_like(images)
    for number, operation in enumerate(operations):
        rows = np.flatnonzero(choice == number)
        if len(rows):
            places = to_device(rows, images)
            result[places] = operation(images[places], places)
    return result


def crop_and_resize(images: torch.Tensor, boxes: Boxes) -> torch.Tensor:
    """Return the boxes' content (B, C, H, W) resized to the images' own size, bilinearly.

    As if a box had been cut out first: nothing of what is beyond its edge comes in.
    """
    height, width = images.shape[-2:]
    work = images if images.is_floating_point() else images.float()
    down = _places(boxes.top, boxes.bottom, height, work).unsqueeze(2).expand(-1, -1, width)
    across = _places(boxes.left, boxes.right, width, work).unsqueeze(1).expand(-1, height, -1)
    grid = torch.stack((across, down), dim=-1)  # (B, H, W, 2)
    sampled = F.grid_sample(work, grid, "bilinear", padding_mode="border", align_corners=False)
    return rounded_like(images, sampled)


def _places(first: Ints, end: Ints, length: int, like: torch.Tensor) -> torch.Tensor:
    """Return where along an axis the pixels (B, length) of the resized boxes come from."""
    size = (end - first)[:, None]
    within = (np.arange(length) + 0.5) * size / length - 0.5
    pixels = first[:, None] + np.clip(within, 0, size - 1)
    return to_device((2 * pixels + 1) / length - 1, like).to(like.dtype)


def transform(images: torch.Tensor, inverse: torch.Tensor, outside: torch.Tensor) -> torch.Tensor:
    """Return images (B, C, H, W) under an affine map each, the nearest pixel taken.

    Args:
        images: floating point.
        inverse: (B, 2, 3) where a pixel of the result comes from: x, y in pixels from the centre
            of the image, and 1, in; x, y out.
        outside: (C, 1, 1) what comes in from beyond the edge.
    """
    height, width = images.shape[-2:]
    x, y = (
        torch.arange(n, dtype=images.dtype, device=images.device) - (n - 1) / 2
        for n in (width, height)
    )
    m = inverse.to(images.dtype).view(-1, 6, 1, 1)
    across = (m[:, 0] * x + m[:, 1] * y[:, None] + m[:, 2]) / (width / 2)
    down = (m[:, 3] * x + m[:, 4] * y[:, None] + m[:, 5]) / (height / 2)
    grid = torch.stack((across, down), dim=-1)
    # grid_sample puts zeros outside
    moved = F.grid_sample(
        images - outside, grid, "nearest", padding_mode="zeros", align_corners=False
    )
    return moved + outside


def rounded_like(images: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
    """Return a floating-point result in [0, 255] as the type of the images that it was made of."""
    if images.is_floating_point():
        return result.to(images.dtype)
    return result.round().clamp(0, 255).to(images.dtype)
