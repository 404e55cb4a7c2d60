"""Padding, cropping and mirroring of whole batches, for any dtype."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.augment._geometry import flip, moved


def images_of(count: int, channels: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * 31 + width)
    return torch.randint(0, 256, (count, channels, height, width), generator=generator).byte()


def test_a_line_reflected_by_hand() -> None:
    line = torch.tensor([[[[1, 2, 3]]]], dtype=torch.uint8)
    windows = [
        moved(line, torch.tensor([[2, left]]), 2, "reflect").flatten().tolist() for left in range(5)
    ]
    assert windows == [[3, 2, 1], [2, 1, 2], [1, 2, 3], [2, 3, 2], [3, 2, 1]]


def test_zeros_by_hand() -> None:
    image = torch.tensor([[[[1, 2], [3, 4]]]], dtype=torch.uint8)
    got = moved(image, torch.tensor([[0, 1]]), 1, "zeros", torch.tensor([True]))
    assert got.tolist() == [[[[0, 0], [2, 1]]]]


@pytest.mark.slow
@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 20), st.booleans(), st.data())
def test_each_image_is_its_window_of_what_numpy_pads(height, width, size, zeros, data) -> None:
    images, places = images_of(3, 2, height, width), st.integers(0, 2 * size)
    corners = torch.tensor([[data.draw(places), data.draw(places)] for _ in range(3)])
    mirrored = torch.tensor([data.draw(st.booleans()) for _ in range(3)])
    sides, mode = [(0, 0), (0, 0), (size, size), (size, size)], "constant" if zeros else "reflect"
    padded = np.pad(images.numpy(), sides, mode=mode)
    got = moved(images, corners, size, "zeros" if zeros else "reflect", mirrored)
    assert got.dtype == torch.uint8
    for i, (top, left) in enumerate(corners.tolist()):
        window = padded[i, :, top : top + height, left : left + width]
        assert np.array_equal(got[i].numpy(), window[:, :, :: -1 if mirrored[i] else 1])


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_flip_mirrors_the_chosen_and_twice_is_nothing(chosen: list[bool]) -> None:
    images, mask = images_of(len(chosen), 2, 3, 5), torch.tensor(chosen)
    got = flip(images, mask)
    for i, is_chosen in enumerate(chosen):
        assert np.array_equal(got[i].numpy(), images[i].numpy()[:, :, :: -1 if is_chosen else 1])
    assert torch.equal(flip(got, mask), images)
