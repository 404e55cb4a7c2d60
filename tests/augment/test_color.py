"""Colours against torchvision's functions, image by image, and by hand."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as oracle

from trainer.augment import _color

NAMES = {
    "brightness": oracle.adjust_brightness,
    "contrast": oracle.adjust_contrast,
    "saturation": oracle.adjust_saturation,
    "hue": oracle.adjust_hue,
}


def images_of(channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(channels)
    images = torch.randint(0, 256, (9, channels, 6, 7), generator=generator).double()
    images[0], images[1], images[2] = 0, 255, images[2, :1]  # black, white, grey
    return images


@pytest.mark.parametrize(
    ("name", "channels"), [*((n, 3) for n in NAMES), ("brightness", 1), ("contrast", 1)]
)
def test_each_is_that_of_torchvision_for_every_image_s_own_factor(name, channels) -> None:
    images = images_of(channels)
    factors = torch.linspace(-0.5, 0.5, 9) if name == "hue" else torch.linspace(0, 2, 9)
    got = getattr(_color, name)(images, factors)
    for image, factor, mine in zip(images, factors, got, strict=True):
        expected = 255 * NAMES[name](image / 255, float(factor))
        # its luma weights are 1e-4 short of a sum of 1
        assert float((mine - expected).abs().max()) < 0.06


@pytest.mark.parametrize("name", NAMES)
def test_the_neutral_factor_changes_nothing(name) -> None:
    images = images_of()
    factors = torch.full((9,), 0.0 if name == "hue" else 1.0)
    torch.testing.assert_close(getattr(_color, name)(images, factors), images)


def test_one_pixel_by_hand() -> None:
    image = torch.tensor([100.0, 50.0, 200.0]).view(1, 3, 1, 1)
    luma = 0.299 * 100 + 0.587 * 50 + 0.114 * 200  # 82.05
    half, double = torch.tensor([0.5]), torch.tensor([2.0])
    assert _color.gray(image).item() == pytest.approx(luma)
    assert _color.brightness(image, double).flatten().tolist() == [200, 100, 255]
    expected = pytest.approx([(c + luma) / 2 for c in (100, 50, 200)])
    assert _color.saturation(image, half).flatten().tolist() == expected
    assert _color.contrast(image, half).flatten().tolist() == expected  # of one pixel, the same


def test_hue_is_that_of_the_standard_library() -> None:
    generator = np.random.default_rng(0)
    pixels, shifts = generator.random((200, 3)), generator.uniform(-0.5, 0.5, 200)
    got = _color.hue(torch.from_numpy(255 * pixels).view(200, 3, 1, 1), torch.from_numpy(shifts))
    for pixel, shift, mine in zip(pixels, shifts, got, strict=True):
        h, s, v = colorsys.rgb_to_hsv(*pixel)
        expected = [255 * c for c in colorsys.hsv_to_rgb((h + shift) % 1, s, v)]
        assert mine.flatten().tolist() == pytest.approx(expected, abs=1e-9)


def test_a_third_of_the_circle_turns_red_to_green() -> None:
    red = torch.tensor([255.0, 0.0, 0.0]).view(1, 3, 1, 1)
    got = _color.hue(red, torch.tensor([1 / 3], dtype=torch.float64)).flatten()
    assert got.tolist() == pytest.approx([0, 255, 0], abs=1e-3)
