"""Fourteen operations of torchvision's magnitudes, drawn for each image on its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from trainer.augment._draws import draw_numbers
from trainer.augment.base import AUGMENTS
from trainer.augment.rand_augment import OPERATIONS, RandAugment
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.data.base import Batch

CLOCK = Clock(step=7, total=100, steps_per_epoch=10, seed=3)
THEIRS = (
    *("Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness"),
    *("Color", "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"),
)
GEOMETRIC = range(1, 6)
EXACT = (0, 10, 11, 13)  # no arithmetic that could be rounded another way


def make_batch(count: int, channels: int = 3, side: int = 33) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, channels, side, side), generator=generator).byte()
    images = (images // 3 + torch.arange(side, dtype=torch.uint8) * 4).byte()
    mean = (0.5, 0.2, 0.0)[:channels]
    return Batch(images, torch.zeros(count).long(), 10, step_images=count, mean=mean)


def theirs(image: torch.Tensor, number: int, magnitude: int, sign: float) -> torch.Tensor:
    """What torchvision makes of an image."""
    transform = v2.RandAugment(magnitude=magnitude)
    height, width = image.shape[-2:]
    magnitudes, signed = transform._AUGMENTATION_SPACE[THEIRS[number]]
    values = magnitudes(31, height, width)
    amount = 0.0 if values is None else float(values[magnitude]) * (sign if signed else 1)
    return transform._apply_image_or_video_transform(
        image, THEIRS[number], amount, interpolation=transform.interpolation, fill=transform._fill
    )


@pytest.mark.parametrize("number", range(14))
@pytest.mark.parametrize("magnitude", [0, 9, 13, 30])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_operation_is_that_of_torchvision(number: int, magnitude: int, channels: int) -> None:
    batch, signs = make_batch(2, channels), np.array([-1.0, 1.0])
    images = batch.images.float()
    operations = RandAugment(magnitude=magnitude).operations(signs, images, torch.zeros(1, 1, 1))
    got = operations[number](images, torch.arange(2)).round()
    for image, sign, mine in zip(batch.images, signs, got, strict=True):
        difference = (mine - theirs(image, number, magnitude, sign).float()).abs()
        if number in GEOMETRIC:  # a pixel halfway between two may fall either way
            assert float((difference > 0).double().mean()) < 0.02
        else:
            # theirs rounds down, and "Color" the luma it blends with too
            most = 2 if THEIRS[number] == "Color" else 1
            assert float(difference.max()) <= (0 if number in EXACT else most)


def test_ours_and_theirs_are_the_same_list() -> None:
    assert len(OPERATIONS) == len(THEIRS) == len(v2.RandAugment._AUGMENTATION_SPACE)
    assert [n.replace("_", "") for n in OPERATIONS] == [n.lower() for n in THEIRS]


def chosen(augment: RandAugment, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """The operations and signs (B, num_ops) that a batch gets."""
    count = (batch.step_images, augment.num_ops)
    return (
        draw_numbers(batch, CLOCK, "rand_augment.operation", lambda g, n: g.integers(0, 14, count)),
        draw_numbers(
            batch, CLOCK, "rand_augment.sign", lambda g, n: g.integers(0, 2, count) * 2.0 - 1.0
        ),
    )


@pytest.mark.parametrize("num_ops", [1, 2, 3])
def test_each_image_goes_through_its_own_operations_one_after_the_other(num_ops: int) -> None:
    batch, augment = make_batch(60), RandAugment(num_ops=num_ops)
    operations, signs = chosen(augment, batch)
    got = augment(batch, CLOCK).images
    for i, image in enumerate(batch.images):
        expected = image
        for number, sign in zip(operations[i], signs[i], strict=True):
            expected = theirs(expected, int(number), 9, float(sign))
        difference = (got[i].float() - expected.float()).abs()
        # what is rounded another way may be stretched by what follows
        assert float((difference > 3).double().mean()) < 0.05


def test_operations_and_signs_are_drawn_uniformly() -> None:
    operations, signs = chosen(RandAugment(), make_batch(1_400, side=3))
    counts = np.bincount(operations.flatten(), minlength=14)
    # 200 expected of each; chi-squared of 13 degrees of freedom is above 34.5 once in 1000
    assert ((counts - 200) ** 2 / 200).sum() < 34.5
    assert set(signs.flatten()) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.08


def test_what_comes_in_from_beyond_the_edge_is_the_fill() -> None:
    images = torch.full((400, 3, 9, 9), 200, dtype=torch.uint8)
    batch = Batch(images, torch.zeros(400).long(), 10, step_images=400, mean=(0.5, 0.2, 0.0))
    for fill, value in (("zeros", [0, 0, 0]), ("mean", [128, 51, 0])):
        augment = RandAugment(num_ops=1, magnitude=15, fill=fill)
        is_moved = np.isin(chosen(augment, batch)[0][:, 0], GEOMETRIC)
        pixels = augment(batch, CLOCK).images[torch.from_numpy(is_moved)]
        colours = pixels.permute(0, 2, 3, 1).flatten(0, 2).unique(dim=0).tolist()
        assert sorted(colours) == sorted([value, [200, 200, 200]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_ops": -1}, r"augment\.rand_augment\.num_ops must be 0 or more, got -1"),
        ({"magnitude": 31}, r"augment\.rand_augment\.magnitude must be from 0 to 30, got 31"),
        ({"magnitude": 9.5}, r"augment\.rand_augment\.magnitude must be a whole number"),
        ({"fill": "grey"}, r"augment\.rand_augment\.fill 'grey'.*known: mean, zeros"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(RandAugment, values, "augment.rand_augment")


def test_images_of_other_channels_are_refused() -> None:
    with pytest.raises(ConfigError, match="one or three channels, got 2"):
        RandAugment().check((2, 8, 8))


def test_the_name_loads_the_class() -> None:
    assert AUGMENTS.load("rand_augment") is RandAugment
