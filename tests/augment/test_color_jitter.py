"""Every image has its own factors and its own order, as if torchvision had been given them."""

from __future__ import annotations

import collections

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as oracle

from trainer.augment._draws import draw_numbers
from trainer.augment.base import AUGMENTS
from trainer.augment.color_jitter import KINDS, ColorJitter
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.data.base import Batch

CLOCK = Clock(step=7, total=100, steps_per_epoch=10, seed=3)
ORACLES = {kind: getattr(oracle, f"adjust_{kind}") for kind in KINDS}


def make_batch(count: int, channels: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, channels, 5, 6), generator=generator).byte()
    return Batch(images, torch.zeros(count).long(), 10, step_images=count)


def drawn(augment: ColorJitter, batch: Batch) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The order (B, k) and the factors (B,) of each kind that a batch gets."""
    active, factors = augment.active, {}
    order = draw_numbers(
        batch,
        CLOCK,
        "color_jitter.order",
        lambda g, n: g.permuted(np.tile(np.arange(len(active)), (n, 1)), axis=1),
    )
    for kind in active:
        strength = getattr(augment, kind)
        low, high = (-strength, strength) if kind == "hue" else (max(1 - strength, 0), 1 + strength)
        name = f"color_jitter.{kind}"
        factors[kind] = draw_numbers(batch, CLOCK, name, lambda g, n: g.uniform(low, high, n))  # noqa: B023  # called at once
    return order, factors


@pytest.mark.parametrize(
    "augment",
    [
        ColorJitter(0.4, 0.4, 0.4, 0.5),
        ColorJitter(1.5, 0.0, 0.7, 0.0),
        ColorJitter(0.0, 0.0, 0.0, 0.2),
    ],
)
def test_each_image_is_what_torchvision_makes_of_it(augment: ColorJitter) -> None:
    batch = make_batch(40)
    order, factors = drawn(augment, batch)
    got = augment(batch, CLOCK).images
    for i, image in enumerate(batch.images):
        expected = image.double() / 255
        for turn in order[i]:
            kind = augment.active[turn]
            expected = ORACLES[kind](expected, float(factors[kind][i]))
        # rounding, and luma weights that differ by 1e-4
        assert float((got[i].double() - 255 * expected).abs().max()) < 0.7


def test_every_order_and_the_whole_range_of_factors_are_reached() -> None:
    order, factors = drawn(ColorJitter(0.4, 1.5, 0.4, 0.5), make_batch(2_400))
    counts = collections.Counter(map(tuple, order.tolist()))
    assert len(counts) == 24
    # 100 expected of each; chi-squared of 23 degrees of freedom is above 49.7 once in 1000
    assert sum((n - 100) ** 2 / 100 for n in counts.values()) < 49.7
    ends = {k: (round(float(f.min()), 1), round(float(f.max()), 1)) for k, f in factors.items()}
    assert ends["brightness"] == ends["saturation"] == (0.6, 1.4)
    assert ends["contrast"] == (0.0, 2.5)
    assert ends["hue"] == (-0.5, 0.5)


def test_grey_images_get_brightness_and_contrast() -> None:
    augment = ColorJitter(saturation=0.0)
    augment.check((1, 5, 6))
    batch = make_batch(30, channels=1)
    assert not torch.equal(augment(batch, CLOCK).images, batch.images)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"brightness": -0.1}, r"augment\.color_jitter\.brightness must be 0 or more, got -0\.1"),
        ({"hue": 0.6}, r"augment\.color_jitter\.hue must be in \[0, 0\.5\], got 0\.6"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(ColorJitter, values, "augment.color_jitter")


@pytest.mark.parametrize(
    ("channels", "keys", "message"),
    [
        (1, {}, r"color_jitter\.saturation=0\.4 needs images of three channels, these have 1"),
        (1, {"saturation": 0.0, "hue": 0.1}, r"color_jitter\.hue=0\.1 needs images of three"),
        (4, {"saturation": 0.0}, r"color_jitter\.brightness=0\.4 needs images of one or three"),
    ],
)
def test_colours_that_images_do_not_have_are_refused(channels, keys, message) -> None:
    with pytest.raises(ConfigError, match=message):
        ColorJitter(**keys).check((channels, 8, 8))


def test_the_name_loads_the_class() -> None:
    assert AUGMENTS.load("color_jitter") is ColorJitter
