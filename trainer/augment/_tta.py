"""Test-time augmentation: an evaluation looks at several views of each image.

As in airbench ("94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv:2404.00498, multi-crop
evaluation): logits are averaged, not probabilities. Airbench looks at views once, at the end. Here
it belongs to the evaluation, so it holds wherever a model is scored: validation and test images,
final and averaged weights. Training, BatchNorm statistics and what is counted are the same as
without.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from trainer.core.errors import ConfigError
from trainer.metrics import wide

Views = Callable[[nn.Module, torch.Tensor], torch.Tensor]


def plain(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the logits (B, K) of the images (B, C, H, W) as they are."""
    logits: torch.Tensor = model(images)
    return logits


def flip(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the mean logits (B, K) of the images and their mirror images; two forward passes."""
    return (wide(plain(model, images)) + wide(plain(model, images.flip(-1)))) / 2


def flip_translate(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the mean logits (B, K) of six views: images, and two shifts of them, each mirrored.

    The shifts are one pixel up and left, and one pixel down and right, their borders filled by
    reflection. The unshifted pair weighs 1/2, each shifted pair 1/4.
    """
    height, width = images.shape[-2:]
    padded = F.pad(images, (1, 1, 1, 1), "reflect")
    down_right = flip(model, padded[..., :height, :width])
    up_left = flip(model, padded[..., 2:, 2:])
    return flip(model, images) / 2 + (down_right + up_left) / 4


VIEWS: dict[str, Views] = {"none": plain, "flip": flip, "flip_translate": flip_translate}

LEAST_SIDE = {"none": 1, "flip": 2, "flip_translate": 2}  # of images whose views differ


def choose_views(name: str, image_shape: tuple[int, int, int], num_evaluated: int) -> Views:
    """Return how a model is asked about a batch of images, `num_evaluated` in all splits together.

    Raises:
        ConfigError: if the choice could have no effect.
    """
    if name != "none" and num_evaluated == 0:
        raise ConfigError(
            f"tta={name} has nothing to act on: with data.val=0 and report_test=false no image is "
            "evaluated; use tta=none"
        )
    _, height, width = image_shape
    sides = (width,) if name == "flip" else (height, width)
    if min(sides) < LEAST_SIDE[name]:
        raise ConfigError(f"tta={name} needs images of at least 2 pixels a side, got {image_shape}")
    return VIEWS[name]
