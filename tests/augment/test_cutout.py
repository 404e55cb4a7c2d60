"""A square of each image is blanked, wherever its centre falls."""

from __future__ import annotations

import collections

import numpy as np
import pytest
import torch

from trainer.augment.base import AUGMENTS
from trainer.augment.cutout import Cutout
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.data.base import Batch

CLOCK = Clock(step=7, total=100, steps_per_epoch=10, seed=3)


def blanked(augment: Cutout, count: int, height: int = 8, width: int = 8) -> torch.Tensor:
    """Which pixels (B, H, W) of white images were blanked."""
    images = torch.full((count, 3, height, width), 255, dtype=torch.uint8)
    batch = Batch(images, torch.zeros(count).long(), 10, step_images=count, mean=(0.5, 0.2, 0.0))
    got = augment(batch, CLOCK).images
    value = [128, 51, 0] if augment.fill == "mean" else [0, 0, 0]
    is_blank = (got == torch.tensor(value).view(3, 1, 1)).all(1)
    assert bool((is_blank | (got == 255).all(1)).all())  # the other pixels stay
    return is_blank


def reference(centre: int, size: int, length: int) -> tuple[int, int]:
    """First and one past the last pixel along an axis, as the paper's authors compute them."""
    return int(np.clip(centre - size // 2, 0, length)), int(np.clip(centre + size // 2, 0, length))


@pytest.mark.parametrize("fill", ["mean", "zeros"])
def test_every_centre_is_reached_about_as_often_and_the_square_is_that_of_the_authors(fill) -> None:
    size, height, width = 4, 6, 7
    places = blanked(Cutout(size, fill), 4_200, height, width)
    rows, columns = places.any(2), places.any(1)
    # one rectangle
    assert torch.equal(places, rows[:, :, None] & columns[:, None, :])
    sides = [
        side
        for line in (rows.int(), columns.int())
        for side in (line.argmax(1), line.argmax(1) + line.sum(1))
    ]
    boxes = collections.Counter(map(tuple, torch.stack(sides, 1).tolist()))
    expected = {
        (*reference(y, size, height), *reference(x, size, width))
        for y in range(height)
        for x in range(width)
    }
    assert set(boxes) == expected
    assert len(expected) == 42
    # 100 expected of each; chi-squared of 41 degrees of freedom is above 74.7 once in 1000
    assert sum((n - 100) ** 2 / 100 for n in boxes.values()) < 74.7


def test_an_odd_square_has_its_side_and_one_pixel_is_a_square() -> None:
    assert int(blanked(Cutout(3), 200).sum((1, 2)).max()) == 9
    assert blanked(Cutout(1), 50).sum((1, 2)).unique().tolist() == [1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": -1}, r"augment\.cutout\.size must be 0 or more, got -1"),
        ({"size": 1.5}, r"augment\.cutout\.size must be a whole number"),
        ({"fill": "grey"}, r"augment\.cutout\.fill 'grey'.*known: mean, zeros"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Cutout, values, "augment.cutout")


def test_a_square_larger_than_the_image_is_refused() -> None:
    Cutout(8).check((3, 8, 9))
    with pytest.raises(ConfigError, match=r"size=9 is larger than the images, 9x8 pixels"):
        Cutout(9).check((3, 9, 8))


def test_the_name_loads_the_class() -> None:
    assert AUGMENTS.load("cutout") is Cutout
