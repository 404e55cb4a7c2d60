"""Tones against torchvision's functions on bytes, image by image, and by hand."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import functional as oracle

from trainer.augment import _tones


def images_of(channels: int = 3, side: int = 24) -> torch.Tensor:
    """Images that are noisy, dark, of few tones, flat, and of one tone but for a pixel."""
    generator = torch.Generator().manual_seed(side)
    images = torch.randint(0, 256, (6, channels, side, side), generator=generator)
    images[1] = images[1] // 4 + 20
    images[2] = images[2] // 64 * 64
    images[3] = 77
    images[4], images[4, :, 0, 0] = 10, 200
    return images.float()


def largest_difference(got: torch.Tensor, function, images: torch.Tensor) -> float:
    """How far results are from what an oracle makes of each image's bytes."""
    expected = torch.stack([function(image) for image in images.byte()]).float()
    assert got.shape == expected.shape
    return float((got.round() - expected).abs().max())


@pytest.mark.parametrize("bits", range(9))
def test_posterize(bits: int) -> None:
    images = images_of()
    assert (
        largest_difference(
            _tones.posterize(images, bits), lambda i: oracle.posterize(i, bits), images
        )
        == 0
    )


@pytest.mark.parametrize("threshold", [0.0, 100.5, 178.0, 255.0])
def test_solarize(threshold: float) -> None:
    images = images_of()
    got = _tones.solarize(images, threshold)
    assert largest_difference(got, lambda i: oracle.solarize(i, threshold), images) == 0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [4, 24, 40])
def test_equalize(channels: int, side: int) -> None:
    images = images_of(channels, side)
    assert largest_difference(_tones.equalize(images), oracle.equalize, images) == 0


def test_autocontrast() -> None:
    images = images_of()
    got = _tones.autocontrast(images)
    assert largest_difference(got, oracle.autocontrast, images) <= 1  # which rounds down
    assert got[0].amin((1, 2)).tolist() == [0, 0, 0]
    assert got[1].amax((1, 2)).tolist() == [255, 255, 255]
    assert torch.equal(got[3], images[3])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.9])
def test_sharpness(channels: int, factor: float) -> None:
    images = images_of(channels)
    got = _tones.sharpness(images, torch.full((6,), factor))
    expected = largest_difference(got, lambda i: oracle.adjust_sharpness(i, factor), images)
    assert expected <= 1  # which rounds down


def test_sharpness_has_a_factor_for_each_image_and_leaves_tiny_ones() -> None:
    images = images_of()
    factors = torch.linspace(0.1, 1.9, 6)
    got = _tones.sharpness(images, factors)
    for i in range(6):
        torch.testing.assert_close(
            got[i], _tones.sharpness(images[i : i + 1], factors[i : i + 1])[0]
        )
    tiny = images[:, :, :2]
    assert torch.equal(_tones.sharpness(tiny, factors), tiny)


def test_by_hand() -> None:
    row = torch.tensor([[[[10.0, 20.0, 30.0, 210.0]]]])
    assert _tones.posterize(row, 4).flatten().tolist() == [0, 16, 16, 208]
    assert _tones.solarize(row, 30).flatten().tolist() == [10, 20, 225, 45]
    stretched = [255 * (v - 10) / 200 for v in (10, 20, 30, 210)]
    assert _tones.autocontrast(row).flatten().tolist() == pytest.approx(stretched)
    # 510 pixels of tone 0, 255 of tone 9, 1 of tone 99: 765 below the brightest, a step of 3
    tones = torch.tensor([0.0] * 510 + [9.0] * 255 + [99.0]).view(1, 1, 1, 766)
    assert _tones.equalize(tones).unique().tolist() == [0, (510 + 1) // 3, 255]
