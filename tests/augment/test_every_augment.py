"""What holds for every augmentation: draws of the step, types and shapes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.augment.base import AUGMENTS, Augment
from trainer.core.clock import Clock
from trainer.data.base import Batch

NAMES = [name for name in AUGMENTS.names() if name != "none"]
CLOCK = Clock(step=7, total=100, steps_per_epoch=10, seed=3)


def component(name: str) -> Augment:
    return AUGMENTS.load(name)()


def make_batch(count: int = 24, dtype: torch.dtype = torch.uint8) -> Batch:
    """A whole step of images of bytes without a zero."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(1, 256, (count, 3, 9, 10), generator=generator).to(dtype)
    index, labels = np.arange(100, 100 + count), torch.arange(count) % 10
    return Batch(images, labels, 10, step_images=count, index=index, mean=(0.5, 0.4, 0.3))


def piece(batch: Batch, start: int, stop: int) -> Batch:
    """A micro-batch of the step that `batch` is."""
    part = slice(start, stop)
    assert batch.index is not None
    return replace(
        batch,
        images=batch.images[part],
        labels=batch.labels[part],
        index=batch.index[part],
        start=start,
    )


@pytest.mark.parametrize("name", NAMES)
@settings(derandomize=True, max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 24), max_size=4), st.integers(0, 30))
def test_a_step_cut_in_pieces_gives_exactly_the_slices(name, cuts, step) -> None:
    batch, augment, clock = make_batch(), component(name), CLOCK.at(step)
    whole = augment(batch, clock).images
    for start, stop in itertools.pairwise([0, *sorted(cuts), 24]):
        if start < stop:  # of whatever micro-batch of whatever process
            mine = augment(piece(batch, start, stop), clock).images
            assert torch.equal(mine, whole[start:stop])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_type_shape_range_and_labels_stay_and_the_input_is_not_changed(name, dtype) -> None:
    batch = make_batch(dtype=dtype)
    before = batch.images.clone()
    got = component(name)(batch, CLOCK)
    assert (got.images.dtype, got.images.shape) == (dtype, before.shape)
    assert 0 <= float(got.images.min()) <= float(got.images.max()) <= 255
    assert torch.equal(batch.images, before)
    assert not torch.equal(got.images, before)
    assert got.labels is batch.labels


@pytest.mark.parametrize("name", NAMES)
def test_bytes_and_floats_are_augmented_alike(name) -> None:
    got = component(name)(make_batch(), CLOCK).images.double()
    floats = component(name)(make_batch(dtype=torch.float64), CLOCK).images
    assert float((got - floats).abs().max()) <= 0.5 + 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_draws_are_a_function_of_seed_step_and_place_alone(name) -> None:
    batch, augment = make_batch(), component(name)
    state, state_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = augment(batch, CLOCK).images
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], state_numpy)
    torch.manual_seed(99)
    assert torch.equal(augment(batch, CLOCK).images, first)
    torch.set_rng_state(state)
    assert not torch.equal(augment(batch, replace(CLOCK, seed=4)).images, first)
    other = CLOCK.at(17 if name == "alternating_flip" else 8)  # it moves with the epoch
    assert not torch.equal(augment(batch, other).images, first)


@pytest.mark.parametrize("name", NAMES)
def test_images_of_one_and_of_two_hundred_and_odd_sizes_are_taken(name) -> None:
    for channels, height, width in ((1, 8, 8), (3, 8, 21), (3, 33, 8)):
        if name == "color_jitter" and channels == 1:
            continue
        augment = component(name)
        augment.check((channels, height, width))
        images = torch.full((2, channels, height, width), 100, dtype=torch.uint8)
        batch = Batch(
            images,
            torch.zeros(2).long(),
            10,
            step_images=2,
            index=np.arange(2),
            mean=(0.5,) * channels,
        )
        assert augment(batch, CLOCK).images.shape == images.shape
