"""Padding, cropping and mirroring of whole batches, for any dtype."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.augment._geometry import crop, flip, pad


def images_of(count: int, channels: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * 31 + width)
    return torch.randint(0, 256, (count, channels, height, width), generator=generator).byte()


def test_a_line_reflected_by_hand() -> None:
    line = torch.tensor([[[[1, 2, 3]]]], dtype=torch.uint8)
    padded = pad(line, 2, "reflect")
    assert padded.shape == (1, 1, 5, 7)
    assert padded[0, 0, 2].tolist() == [3, 2, 1, 2, 3, 2, 1]


def test_zeros_by_hand() -> None:
    padded = pad(torch.full((1, 1, 1, 1), 7, dtype=torch.uint8), 1, "zeros")
    assert padded.tolist() == [[[[0, 0, 0], [0, 7, 0], [0, 0, 0]]]]


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.data())
def test_reflection_is_that_of_torch_on_floats(height: int, width: int, data) -> None:
    size = data.draw(st.integers(0, min(height, width) - 1))
    images = images_of(2, 3, height, width).double()
    assert torch.equal(pad(images, size, "reflect"), F.pad(images, (size,) * 4, mode="reflect"))


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 20))
def test_reflection_is_that_of_numpy_however_wide_the_border(height, width, size) -> None:
    images = images_of(1, 2, height, width)
    expected = np.pad(images.numpy(), [(0, 0), (0, 0), (size, size), (size, size)], mode="reflect")
    padded = pad(images, size, "reflect")
    assert padded.dtype == torch.uint8
    assert np.array_equal(padded.numpy(), expected)


def test_crop_takes_each_image_at_its_own_corner() -> None:
    images = images_of(3, 2, 6, 7)
    top, left = torch.tensor([0, 2, 3]), torch.tensor([4, 0, 1])
    got = crop(images, top, left, 3, 3)
    for i in range(3):
        t, l = int(top[i]), int(left[i])  # noqa: E741  # as in the maths
        assert torch.equal(got[i], images[i, :, t : t + 3, l : l + 3])
    assert got.dtype == torch.uint8


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_flip_mirrors_the_chosen_and_twice_is_nothing(chosen: list[bool]) -> None:
    images, mask = images_of(len(chosen), 2, 3, 5), torch.tensor(chosen)
    got = flip(images, mask)
    for i, is_chosen in enumerate(chosen):
        assert np.array_equal(got[i].numpy(), images[i].numpy()[:, :, :: -1 if is_chosen else 1])
    assert torch.equal(flip(got, mask), images)


@pytest.mark.parametrize("border", ["zeros", "reflect"])
def test_no_padding_is_no_change(border) -> None:
    images = images_of(2, 3, 4, 5)
    assert torch.equal(pad(images, 0, border), images)
