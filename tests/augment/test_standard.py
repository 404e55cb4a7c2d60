"""Pad, crop and mirror: each image on its own, drawn for the whole step."""

from __future__ import annotations

import collections
import itertools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.augment.base import AUGMENTS
from trainer.augment.standard import Standard
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.data.base import Batch

CLOCK = Clock(step=7, total=100, steps_per_epoch=10, seed=3)


def make_batch(count: int, height: int = 6, width: int = 7, channels: int = 3) -> Batch:
    """A whole step of uint8 images without a zero pixel."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(1, 256, (count, channels, height, width), generator=generator).byte()
    return Batch(images, torch.zeros(count, dtype=torch.int64), 10, step_images=count)


def piece(batch: Batch, start: int, stop: int) -> Batch:
    """A micro-batch of the step that `batch` is."""
    labels = batch.labels[start:stop]
    return replace(batch, images=batch.images[start:stop], labels=labels, start=start)


def moves(augment: Standard, count: int) -> list[tuple[int, int]]:
    """How far each of `count` images was moved down and right, from a single bright pixel."""
    images = torch.zeros(count, 1, 9, 9, dtype=torch.uint8)
    images[:, :, 4, 4] = 255
    batch = Batch(images, torch.zeros(count, dtype=torch.int64), 10, step_images=count)
    places = augment(batch, CLOCK).images[:, 0].nonzero()
    assert len(places) == count  # none lost its pixel
    return [(int(row) - 4, int(column) - 4) for _, row, column in places]


def test_each_place_of_the_crop_is_reached_about_as_often() -> None:
    counts = collections.Counter(moves(Standard(padding=2, flip=False), 2_500))
    assert set(counts) == set(itertools.product(range(-2, 3), range(-2, 3)))
    # 100 expected of each; chi-squared of 24 degrees of freedom is above 51.2 once in 1000
    assert sum((n - 100) ** 2 / 100 for n in counts.values()) < 51.2


def test_about_half_are_mirrored_and_nothing_else_happens() -> None:
    batch = make_batch(2_000, 2, 3, 1)
    got = Standard(padding=0)(batch, CLOCK).images
    mirrored = (got == batch.images.flip(-1)).flatten(1).all(1)
    kept = (got == batch.images).flatten(1).all(1)
    assert bool((mirrored | kept).all())
    assert 900 < int((mirrored & ~kept).sum()) + int((mirrored & kept).sum()) / 2 < 1_100


def test_crop_and_mirror_are_drawn_apart() -> None:
    images = torch.zeros(4_000, 1, 9, 9, dtype=torch.uint8)
    images[:, :, 4, 4], images[:, :, 4, 5] = 200, 100  # the dim pixel tells which way it looks
    batch = Batch(images, torch.zeros(4_000, dtype=torch.int64), 10, step_images=4_000)
    got = Standard(padding=1)(batch, CLOCK).images[:, 0].flatten(1)
    row, column = torch.div(got.argmax(1), 9, rounding_mode="floor"), got.argmax(1) % 9
    is_mirrored = (got == 100).int().argmax(1) % 9 < column
    counts = collections.Counter(zip(row.tolist(), is_mirrored.tolist(), strict=True))
    assert len(counts) == 6
    assert all(540 < n < 800 for n in counts.values())  # 667 expected of each


@pytest.mark.parametrize("border", ["zeros", "reflect"])
def test_every_result_is_a_window_of_the_padded_image(border) -> None:
    batch = make_batch(40)
    got = Standard(padding=3, border=border, flip=False)(batch, CLOCK).images.double()
    mode = "constant" if border == "zeros" else "reflect"
    padded = F.pad(batch.images.double(), (3,) * 4, mode=mode)
    for image, wide in zip(got, padded, strict=True):
        places = itertools.product(range(7), range(7))
        assert any(torch.equal(image, wide[:, t : t + 6, s : s + 7]) for t, s in places)


@pytest.mark.slow
@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 24), max_size=4), st.sampled_from(["zeros", "reflect"]))
def test_a_step_cut_in_pieces_gives_exactly_the_slices(cuts: list[int], border) -> None:
    batch, augment = make_batch(24), Standard(border=border)
    whole = augment(batch, CLOCK).images
    bounds = [0, *sorted(cuts), 24]
    for start, stop in itertools.pairwise(bounds):
        if start < stop:  # of whatever micro-batch of whatever process
            assert torch.equal(augment(piece(batch, start, stop), CLOCK).images, whole[start:stop])


def test_uint8_stays_uint8_and_the_input_is_not_changed() -> None:
    batch = make_batch(16)
    before = batch.images.clone()
    got = Standard()(batch, CLOCK).images
    assert got.dtype == torch.uint8
    assert got.shape == before.shape
    assert torch.equal(batch.images, before)
    assert not torch.equal(got, before)


def test_draws_are_a_function_of_seed_and_step_alone() -> None:
    batch, augment = make_batch(32), Standard()
    first = augment(batch, CLOCK).images
    state = torch.get_rng_state()
    torch.manual_seed(99)
    assert torch.equal(augment(batch, CLOCK).images, first)
    torch.set_rng_state(state)
    assert not torch.equal(augment(batch, CLOCK.at(8)).images, first)
    assert not torch.equal(augment(batch, replace(CLOCK, seed=4)).images, first)


def test_the_global_generator_is_not_touched() -> None:
    before = torch.get_rng_state()
    Standard()(make_batch(8), CLOCK)
    assert torch.equal(torch.get_rng_state(), before)


def test_labels_stay_with_their_images() -> None:
    batch = replace(make_batch(5), labels=torch.arange(5))
    assert Standard()(batch, CLOCK).labels is batch.labels


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"padding": -1}, r"augment\.standard\.padding must be 0 or more"),
        ({"padding": 1.5}, r"augment\.standard\.padding must be a whole number"),
        ({"border": "wrap"}, r"augment\.standard\.border 'wrap'.*known: reflect, zeros"),
        ({"flip": 1}, r"augment\.standard\.flip must be true or false"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Standard, values, "augment.standard")


def test_the_name_loads_the_class() -> None:
    assert AUGMENTS.load("standard") is Standard
