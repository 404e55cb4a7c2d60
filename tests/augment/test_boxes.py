"""Boxes as masks, their sides, their places, and the first that fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.augment._boxes import Boxes, between, check_range, first_that_fits, place, sides_of
from trainer.core.errors import ConfigError


def test_a_mask_by_hand_cut_off_at_the_edges_and_empty() -> None:
    boxes = Boxes(
        np.array([0, -2, 1]), np.array([1, 1, 1]), np.array([1, 2, 0]), np.array([3, 9, 3])
    )
    mask = boxes.mask(torch.zeros(3, 4, 2, 3)).int()
    assert mask.shape == (3, 1, 2, 3)
    assert mask[:, 0].tolist() == [
        [[0, 1, 1], [0, 0, 0]],
        [[0, 0, 1], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 0]],
    ]


def test_the_first_that_fits_is_taken() -> None:
    fits = np.array([[False, True, True], [True, False, False], [False, False, False]])
    numbers = np.arange(9).reshape(3, 3)
    found, (first,) = first_that_fits(fits, numbers)
    assert found.tolist() == [True, True, False]
    assert first[:2].tolist() == [1, 3]


def test_sides_have_the_area_and_the_ratio() -> None:
    long, short = sides_of(np.array([100.0, 64.0]), np.array([4.0, 1.0]))
    assert (long.tolist(), short.tolist()) == ([20, 8], [5, 8])


def test_places_are_uniform_and_reach_both_ends() -> None:
    uniform = np.arange(0, 1, 0.01)
    assert np.bincount(place(uniform, 4)).tolist() == [20] * 5
    assert place(uniform, np.zeros(100, dtype=np.int64)).max() == 0
    assert between(np.array([0.0, 0.5]), (2.0, 4.0)).tolist() == [2, 3]


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.5, 0.4), (0.5, 1.1), (-1.0, 1.0)])
def test_bad_ranges_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match=r"some\.key must be two positive numbers up to 1, "):
        check_range("some.key", bounds, most=1.0)
    check_range("some.key", (0.5, 2.0))
