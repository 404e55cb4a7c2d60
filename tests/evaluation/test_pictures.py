"""Pictures of errors are drawn for any number of classes, names and images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.evaluation.mistakes import Mistake
from trainer.evaluation.pictures import (
    LONGEST,
    confusion_picture,
    mistakes_picture,
    name_of,
    pixels_of,
    red,
)


@pytest.mark.parametrize("total", [1, 2, 10, 25, 26, 100, 400])
def test_a_matrix_of_any_size_fits_a_screen(total: int) -> None:
    counts = np.diag(np.full(total, 90)) + np.eye(total, k=1, dtype=int) * 7
    names = [f"a rather long name of class {i}" for i in range(total)]
    picture = confusion_picture(counts, names, "90 % right")
    assert 500 <= picture.width <= 2200
    assert 300 <= picture.height <= 1500
    pixels = np.asarray(picture)
    is_red = (pixels[..., 0].astype(int) - pixels[..., 1] > 60).any()
    assert is_red == (total > 1), "a mistake is coloured, a right answer is not"


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.text(min_size=0, max_size=60))
def test_any_name_is_shown_in_one_short_line(name: str) -> None:
    shown = name_of(name)
    assert len(shown) <= LONGEST
    confusion_picture(np.array([[3, 1], [0, 2]]), [name, "b"], "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (3, 32, 32), (3, 5, 90), (2, 224, 100), (1, 1, 1), (3, 500, 500)]
)
def test_a_sheet_takes_images_of_any_shape(shape: tuple[int, int, int]) -> None:
    pixels = np.full(shape, 200, np.uint8)
    assert max(pixels_of(pixels, 150).size) == 150
    for count in (1, 7, 24):
        mistakes = [Mistake(0.9, 0, 1, pixels)] * count
        picture = mistakes_picture(mistakes, ["one", "two"], "What it was surest of, and wrong")
        assert picture.width >= 150


def test_more_mistakes_are_darker() -> None:
    shades = [sum(red(share)) for share in (0.0, 0.3, 0.6, 1.0)]
    assert shades == sorted(shades, reverse=True)
    assert red(-1) == red(0)
    assert red(2) == red(1)
