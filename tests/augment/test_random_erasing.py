"""Boxes are drawn as the authors' code draws them, and filled."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

from tests.augment.distribution import distance
from trainer.augment.base import AUGMENTS
from trainer.augment.random_erasing import RandomErasing
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.data.base import Batch

CLOCK = Clock(step=7, total=100, steps_per_epoch=10, seed=3)


def make_batch(count: int, height: int = 32, width: int = 24) -> Batch:
    images = torch.full((count, 3, height, width), 7, dtype=torch.uint8)
    return Batch(images, torch.zeros(count).long(), 10, step_images=count, mean=(0.5, 0.2, 0.0))


def ours(augment: RandomErasing, count: int, height: int, width: int) -> np.ndarray:
    """Top, left, height and width (4, n) of the boxes that are not empty."""
    boxes = augment.boxes(make_batch(count, height, width), CLOCK)
    assert min(boxes.top.min(), boxes.left.min()) >= 0
    assert (int(boxes.bottom.max()), int(boxes.right.max())) <= (height, width)
    sides = (boxes.top, boxes.left, boxes.bottom - boxes.top, boxes.right - boxes.left)
    return np.stack(sides)[:, boxes.bottom > boxes.top]


def reference(augment: RandomErasing, count: int, height: int, width: int) -> np.ndarray:
    """The same, one image after the other, as in the paper's figure and the authors' code."""
    generator, found = random.Random(0), []
    for _ in range(count):
        for _ in range(100):
            area = generator.uniform(*augment.scale) * height * width
            ratio = generator.uniform(*augment.ratio)
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if h < height and w < width:
                top, left = generator.randint(0, height - h), generator.randint(0, width - w)
                found.append((top, left, h, w))
                break
    return np.array(found).T


@pytest.mark.parametrize(
    "keys", [{}, {"scale": (0.1, 0.3), "ratio": (0.5, 1.0)}, {"scale": (0.3, 0.9)}]
)
def test_boxes_are_distributed_like_those_of_the_authors(keys) -> None:
    augment = RandomErasing(probability=1.0, **keys)
    one, other = ours(augment, 2_000, 32, 24), reference(augment, 2_000, 32, 24)
    assert one.shape[1] > 1_950
    for measure in (
        lambda t, s, h, w: h * w,
        lambda t, s, h, w: h / w,
        lambda t, s, h, w: t,
        lambda t, s, h, w: s,
    ):
        assert distance(measure(*one), measure(*other)) < 1
    squares = ours(RandomErasing(probability=1.0, ratio=(1.0, 1.01)), 2_000, 32, 24)
    assert distance(squares[2] / squares[3], other[2] / other[3]) > 1  # the test can fail


@pytest.mark.parametrize("probability", [0.2, 0.5, 1.0])
def test_the_probability_is_the_share_of_erased_images(probability: float) -> None:
    erased = ours(RandomErasing(probability), 2_000, 32, 24).shape[1] / 2_000
    assert erased == pytest.approx(probability, abs=0.05)


@pytest.mark.parametrize(("fill", "values"), [("mean", [128, 51, 0]), ("zeros", [0, 0, 0])])
def test_a_box_becomes_the_fill_and_the_rest_stays(fill, values) -> None:
    augment, batch = RandomErasing(probability=1.0, fill=fill), make_batch(50)
    inside = augment.boxes(batch, CLOCK).mask(batch.images)
    expected = torch.where(inside, torch.tensor(values).view(3, 1, 1), 7)
    assert torch.equal(augment(batch, CLOCK).images, expected.byte())
    assert 0.02 < float(inside.double().mean()) < 0.4


def test_random_pixels_are_uniform_each_on_its_own() -> None:
    augment, batch = RandomErasing(probability=1.0), make_batch(200)
    inside = augment.boxes(batch, CLOCK).mask(batch.images).expand(-1, 3, -1, -1)
    got = augment(batch, CLOCK).images
    assert torch.equal(got[~inside].unique(), torch.tensor([7], dtype=torch.uint8))
    counts = torch.bincount(got[inside].long(), minlength=256).double()
    expected = counts.sum() / 256
    # chi-squared of 255 degrees of freedom is above 330.5 once in 1000
    assert float(((counts - expected) ** 2 / expected).sum()) < 330.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"probability": -0.1}, r"random_erasing\.probability must be in \[0, 1\]"),
        ({"probability": 1.1}, r"random_erasing\.probability must be in \[0, 1\]"),
        ({"scale": [0.5, 0.4]}, r"random_erasing\.scale must be two positive numbers up to 1"),
        ({"ratio": [0.0, 3.0]}, r"random_erasing\.ratio must be two positive numbers"),
        ({"fill": "black"}, r"random_erasing\.fill 'black'.*known: mean, random, zeros"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(RandomErasing, values, "augment.random_erasing")


def test_images_of_one_pixel_a_side_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 pixels a side, got 9x1"):
        RandomErasing().check((1, 9, 1))


def test_the_name_loads_the_class() -> None:
    assert AUGMENTS.load("random_erasing") is RandomErasing
