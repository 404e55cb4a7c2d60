"""Shifts by a few pixels, drawn for the whole step."""

from __future__ import annotations

import collections
import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.augment.base import AUGMENTS, AugmentKeys, Chain
from trainer.augment.shift import Shift
from trainer.augment.standard import Standard
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.core.registry import Choice
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


def moves(augment: Shift | Standard, count: int) -> list[tuple[int, int]]:
    """How far each of `count` images was moved down and right, from a single bright pixel."""
    images = torch.zeros(count, 1, 9, 9, dtype=torch.uint8)
    images[:, :, 4, 4] = 255
    batch = Batch(images, torch.zeros(count, dtype=torch.int64), 10, step_images=count)
    places = augment(batch, CLOCK).images[:, 0].nonzero()
    assert len(places) == count  # none lost its pixel
    return [(int(row) - 4, int(column) - 4) for _, row, column in places]


def test_each_move_is_reached_about_as_often() -> None:
    counts = collections.Counter(moves(Shift(pixels=1), 1_800))
    assert set(counts) == set(itertools.product(range(-1, 2), range(-1, 2)))
    # 200 expected of each; chi-squared of 8 degrees of freedom is above 26.1 once in 1000
    assert sum((n - 200) ** 2 / 200 for n in counts.values()) < 26.1


def test_the_greatest_move_is_the_one_asked_for() -> None:
    reached = {abs(d) for move in moves(Shift(pixels=3), 500) for d in move}
    assert reached == {0, 1, 2, 3}


def test_a_move_by_hand() -> None:
    image = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).view(1, 1, 2, 2).repeat(200, 1, 1, 1)
    batch = Batch(image, torch.zeros(200, dtype=torch.int64), 10, step_images=200)
    for border, expected in (("zeros", [[0, 0], [0, 1]]), ("reflect", [[4, 3], [2, 1]])):
        got = Shift(1, border)(batch, CLOCK).images[:, 0].tolist()
        assert expected in got  # one down, one right


def test_it_never_mirrors() -> None:
    images = torch.zeros(300, 1, 9, 9, dtype=torch.uint8)
    images[:, :, 4, 4], images[:, :, 4, 5] = 200, 100
    batch = Batch(images, torch.zeros(300, dtype=torch.int64), 10, step_images=300)
    got = Shift(2)(batch, CLOCK).images.flatten(1)
    assert torch.equal(got.argmax(1) + 1, (got == 100).int().argmax(1))


def test_a_chain_applies_its_parts_in_order_with_draws_of_their_own() -> None:
    batch = make_batch(20)
    parts = (Shift(1), Standard(padding=1))
    chain = Chain(tuple(Choice("name", AugmentKeys(), part) for part in parts))
    expected = parts[1](parts[0](batch, CLOCK), CLOCK)
    assert torch.equal(chain(batch, CLOCK).images, expected.images)
    assert moves(Shift(1), 200) != moves(Standard(padding=1, flip=False), 200)


@pytest.mark.slow
@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 24), max_size=4), st.sampled_from(["zeros", "reflect"]))
def test_a_step_cut_in_pieces_gives_exactly_the_slices(cuts: list[int], border) -> None:
    batch, augment = make_batch(24), Shift(border=border)
    whole = augment(batch, CLOCK).images
    bounds = [0, *sorted(cuts), 24]
    for start, stop in itertools.pairwise(bounds):
        if start < stop:  # of whatever micro-batch of whatever process
            assert torch.equal(augment(piece(batch, start, stop), CLOCK).images, whole[start:stop])


def test_uint8_stays_uint8_and_the_input_is_not_changed() -> None:
    batch = make_batch(16)
    before = batch.images.clone()
    got = Shift()(batch, CLOCK).images
    assert got.dtype == torch.uint8
    assert got.shape == before.shape
    assert torch.equal(batch.images, before)
    assert not torch.equal(got, before)


def test_draws_are_a_function_of_seed_and_step_alone() -> None:
    batch, augment = make_batch(32), Shift()
    first = augment(batch, CLOCK).images
    state = torch.get_rng_state()
    torch.manual_seed(99)
    assert torch.equal(augment(batch, CLOCK).images, first)
    torch.set_rng_state(state)
    assert not torch.equal(augment(batch, CLOCK.at(8)).images, first)
    assert not torch.equal(augment(batch, replace(CLOCK, seed=4)).images, first)


def test_the_global_generator_is_not_touched() -> None:
    before = torch.get_rng_state()
    Shift()(make_batch(8), CLOCK)
    assert torch.equal(torch.get_rng_state(), before)


def test_labels_stay_with_their_images() -> None:
    batch = replace(make_batch(5), labels=torch.arange(5))
    assert Shift()(batch, CLOCK).labels is batch.labels


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pixels": -1}, r"augment\.shift\.pixels must be 0 or more"),
        ({"pixels": "two"}, r"augment\.shift\.pixels must be a whole number, got 'two'"),
        ({"border": "edge"}, r"augment\.shift\.border 'edge'.*known: reflect, zeros"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Shift, values, "augment.shift")


def test_the_name_loads_the_class() -> None:
    assert AUGMENTS.load("shift") is Shift
