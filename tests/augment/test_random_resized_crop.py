"""Parts are drawn as torchvision draws them, and resized to the image's own size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop as Oracle

from tests.augment.distribution import distance
from trainer.augment._pixels import crop_and_resize
from trainer.augment.base import AUGMENTS
from trainer.augment.random_resized_crop import RandomResizedCrop
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.data.base import Batch

CLOCK = Clock(step=7, total=100, steps_per_epoch=10, seed=3)


def make_batch(count: int, height: int, width: int) -> Batch:
    images = torch.randint(0, 256, (1, 3, height, width)).byte().expand(count, -1, -1, -1)
    return Batch(images, torch.zeros(count).long(), 10, step_images=count)


def ours(augment: RandomResizedCrop, count: int, height: int, width: int) -> np.ndarray:
    """Top, left, height and width (4, count) of parts."""
    boxes = augment.boxes(make_batch(count, height, width), CLOCK)
    assert min(boxes.top.min(), boxes.left.min()) >= 0
    assert (int(boxes.bottom.max()), int(boxes.right.max())) <= (height, width)
    return np.stack((boxes.top, boxes.left, boxes.bottom - boxes.top, boxes.right - boxes.left))


def theirs(augment: RandomResizedCrop, count: int, height: int, width: int) -> np.ndarray:
    image = torch.empty(3, height, width)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = [
            Oracle.get_params(image, list(augment.scale), list(augment.ratio)) for _ in range(count)
        ]
    return np.array(drawn).T


@pytest.mark.slow
@pytest.mark.parametrize(
    ("height", "width", "keys"),
    [
        (96, 64, {}),
        (32, 32, {}),
        (40, 40, {"scale": (0.9, 1.0), "ratio": (0.5, 2.0)}),  # many do not fit
        (200, 20, {}),  # hardly any fits: the central one
    ],
)
def test_parts_are_distributed_like_those_of_torchvision(height, width, keys) -> None:
    augment = RandomResizedCrop(**keys)
    one, other = (draw(augment, 1_500, height, width) for draw in (ours, theirs))
    for measure in (
        lambda t, s, h, w: h * w,
        lambda t, s, h, w: w / h,
        lambda t, s, h, w: t,
        lambda t, s, h, w: s,
        lambda t, s, h, w: h,
    ):
        assert distance(measure(*one), measure(*other)) < 1
    wider = ours(RandomResizedCrop(scale=(0.01, 0.2)), 1_500, height, width)
    assert distance(wider[2] * wider[3], other[2] * other[3]) > 1  # the test can fail


@pytest.mark.parametrize(("height", "width"), [(100, 10), (10, 100), (10, 10)])
def test_where_none_fits_it_is_the_largest_central_one(height: int, width: int) -> None:
    augment = RandomResizedCrop(scale=(0.99, 1.0), ratio=(1.5, 1.6))
    boxes = ours(augment, 50, height, width)
    assert np.array_equal(boxes, theirs(augment, 50, height, width))


def test_the_image_is_that_part_resized() -> None:
    batch, augment = make_batch(20, 9, 8), RandomResizedCrop()
    got = augment(batch, CLOCK).images
    assert torch.equal(got, crop_and_resize(batch.images, augment.boxes(batch, CLOCK)))
    assert got.dtype == torch.uint8


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": [0.0, 1.0]}, r"random_resized_crop\.scale must be two positive numbers up to 1"),
        ({"scale": [0.5, 1.5]}, r"scale must be two positive .* got \[0\.5, 1\.5\]"),
        ({"scale": [1.0, 1.0]}, r"scale=\[1, 1\] cuts nothing off"),
        ({"ratio": [2.0, 1.0]}, r"ratio must be two positive numbers, the first not above"),
        ({"ratio": [1.0]}, r"ratio must be a list of a number, a number"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(RandomResizedCrop, values, "augment.random_resized_crop")


def test_images_of_one_pixel_a_side_are_refused() -> None:
    RandomResizedCrop().check((1, 2, 2))
    with pytest.raises(ConfigError, match="at least 2 pixels a side, got 1x9"):
        RandomResizedCrop().check((1, 1, 9))


def test_the_name_loads_the_class() -> None:
    assert AUGMENTS.load("random_resized_crop") is RandomResizedCrop
