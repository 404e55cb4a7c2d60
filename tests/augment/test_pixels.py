"""What several augmentations do to the pixels of whole batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as oracle

from trainer.augment._boxes import Boxes
from trainer.augment._pixels import (
    by_choice,
    crop_and_resize,
    fill_value,
    rounded_like,
    transform,
)
from trainer.data.base import Batch


def images_of(count: int, channels: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * 31 + width)
    return torch.randint(0, 256, (count, channels, height, width), generator=generator).byte()


def test_the_mean_of_the_training_images_or_zero() -> None:
    batch = Batch(torch.zeros(2, 3, 4, 4), torch.zeros(2).long(), 10, mean=(0.5, 0.1, 1.0))
    value = fill_value(batch, "mean", torch.float64)
    assert value.shape == (3, 1, 1)
    assert value.flatten().tolist() == [127.5, 25.5, 255.0]
    rounded = fill_value(batch, "mean", torch.uint8)
    assert (rounded.dtype, rounded.flatten().tolist()) == (torch.uint8, [128, 26, 255])
    assert fill_value(batch, "zeros", torch.uint8).flatten().tolist() == [0, 0, 0]


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_each_image_by_its_own_operation_with_its_own_place(choice: list[int]) -> None:
    images = torch.arange(len(choice)).view(-1, 1, 1, 1).expand(-1, 2, 2, 2)

    def plus(offset: int):
        def operation(part: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
            assert part[:, 0, 0, 0].tolist() == places.tolist()
            return part + offset + 1000 * places.view(-1, 1, 1, 1)

        return operation

    got = by_choice(images, np.array(choice), [plus(100 * k) for k in range(4)])
    assert got[:, 1, 1, 1].tolist() == [i + 100 * k + 1000 * i for i, k in enumerate(choice)]


def test_an_operation_that_nobody_chose_is_not_called() -> None:
    def never(part: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        pytest.fail("called")

    images = torch.ones(3, 1, 1, 1)
    got = by_choice(images, np.ones(3, dtype=np.int64), [never, lambda part, places: part * 2])
    assert got.flatten().tolist() == [2, 2, 2]


def boxes_of(count: int, height: int, width: int) -> Boxes:
    generator = np.random.default_rng(0)
    top, left = generator.integers(0, height, count), generator.integers(0, width, count)
    bottom = generator.integers(top + 1, height + 1)
    return Boxes(top, bottom, left, generator.integers(left + 1, width + 1))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (17, 12), (5, 32)])
def test_a_resized_crop_is_that_of_torchvision(height: int, width: int) -> None:
    images, boxes = images_of(40, 3, height, width), boxes_of(40, height, width)
    got = crop_and_resize(images, boxes)
    exact = crop_and_resize(images.double(), boxes)
    assert got.dtype == torch.uint8
    for i, image in enumerate(images):
        top, left = int(boxes.top[i]), int(boxes.left[i])
        size = (int(boxes.bottom[i]) - top, int(boxes.right[i]) - left)
        expected = oracle.resized_crop(
            image.double(), top, left, *size, [height, width], antialias=False
        )
        torch.testing.assert_close(exact[i], expected, rtol=0, atol=1e-9)
        assert float((got[i].double() - expected).abs().max()) <= 0.5 + 1e-3


def test_the_whole_box_is_the_image_itself_and_a_pixel_fills_it() -> None:
    images = images_of(2, 3, 6, 6)
    zero, one, end = np.array([0, 2]), np.array([6, 3]), np.array([6, 4])
    got = crop_and_resize(images, Boxes(zero, one, np.array([0, 3]), end))
    assert torch.equal(got[0], images[0])
    assert torch.equal(got[1], images[1, :, 2:3, 3:4].expand(3, 6, 6))


def share_of_equal(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float((got == expected).double().mean())


CASES = [
    ("shear_x", 0.21, [1, 0.21, 0.21 * 9 / 2, 0, 1, 0]),
    ("shear_y", -0.13, [1, 0, 0, -0.13, 1, -0.13 * 14 / 2]),
    ("translate", 3, [1, 0, -3, 0, 1, 2]),
    ("rotate", 17.0, None),
    ("rotate", -29.0, None),
]


@pytest.mark.parametrize(("name", "amount", "inverse"), CASES)
@pytest.mark.parametrize("fill", [0.0, 99.0])
def test_an_affine_map_is_that_of_torchvision(name, amount, inverse, fill) -> None:
    images = images_of(1, 3, 9, 14)
    if name == "rotate":
        c, s = math.cos(math.radians(amount)), math.sin(math.radians(amount))
        inverse = [c, -s, 0, s, c, 0]
        expected = oracle.rotate(images, amount, fill=[fill] * 3)
    else:
        shear = [math.degrees(math.atan(amount)) * (name == f"shear_{a}") for a in "xy"]
        move = [3, -2] if name == "translate" else [0, 0]
        expected = oracle.affine(
            images, angle=0, translate=move, scale=1, shear=shear, center=[0, 0], fill=[fill] * 3
        )
    matrix = torch.tensor(inverse, dtype=torch.float64).view(1, 2, 3)
    got = transform(images.float(), matrix, torch.full((3, 1, 1), fill))
    assert share_of_equal(got, expected) >= 0.98  # pixels halfway between two may fall either way
    assert share_of_equal(got, images) < 0.5


def test_each_image_has_its_own_map() -> None:
    images = images_of(2, 3, 5, 5).float()
    maps = torch.tensor([[[1.0, 0, 0], [0, 1, 0]], [[1.0, 0, 1], [0, 1, 0]]])
    got = transform(images, maps, torch.full((3, 1, 1), 7.0))
    assert torch.equal(got[0], images[0])
    assert torch.equal(got[1, :, :, :4], images[1, :, :, 1:])
    assert got[1, :, :, 4].unique().tolist() == [7]


def test_bytes_are_rounded_and_clamped_and_floats_kept() -> None:
    result = torch.tensor([-1.0, 1.4, 1.6, 300.0])
    assert rounded_like(torch.zeros(4).byte(), result).tolist() == [0, 1, 2, 255]
    assert torch.equal(rounded_like(torch.zeros(4), result), result)
