"""Draws belong to a place in the step, numbers and noise alike."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.augment._draws import draw, draw_noise, draw_numbers
from trainer.core.clock import Clock
from trainer.data.base import Batch

CLOCK = Clock(step=7, total=100, steps_per_epoch=10, seed=3)


def make_batch(count: int, start: int = 0, side: int = 5) -> Batch:
    images = torch.zeros(count, 3, side, side, dtype=torch.uint8)
    return Batch(images, torch.zeros(count).long(), 10, start=start, step_images=24)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 24), max_size=4), st.integers(1, 9))
def test_draws_are_slices_of_those_of_the_step(cuts: list[int], side: int) -> None:
    whole = make_batch(24, side=side)
    numbers = draw(whole, CLOCK, "name", lambda g, n: g.random((n, 2)))
    noise = draw_noise(whole, CLOCK, "name")
    assert (numbers.shape, noise.shape) == ((24, 2), whole.images.shape)
    for start, stop in itertools.pairwise([0, *sorted(cuts), 24]):
        part = make_batch(stop - start, start, side)
        mine = draw(part, CLOCK, "name", lambda g, n: g.random((n, 2)))
        assert torch.equal(mine, numbers[start:stop])
        assert torch.equal(draw_noise(part, CLOCK, "name"), noise[start:stop])


def test_noise_is_uniform_and_of_no_pattern() -> None:
    noise = draw_noise(make_batch(24, side=40), CLOCK, "name").flatten().double()
    counts = torch.bincount(noise.long(), minlength=256)
    expected = noise.numel() / 256  # 450
    # chi-squared of 255 degrees of freedom is above 330.5 once in 1000
    assert float(((counts - expected) ** 2 / expected).sum()) < 330.5
    for lag in (1, 32, 40, 4800):
        together = torch.corrcoef(torch.stack((noise[lag:], noise[:-lag])))[0, 1]
        assert abs(float(together)) < 4 / noise.numel() ** 0.5


@pytest.mark.parametrize(
    ("batch", "clock"),
    [
        (replace(make_batch(24), is_partner=True), CLOCK),
        (make_batch(24), CLOCK.at(8)),
        (make_batch(24), replace(CLOCK, seed=4)),
    ],
)
def test_partners_steps_and_seeds_have_draws_of_their_own(batch: Batch, clock: Clock) -> None:
    def numbers(batch: Batch, clock: Clock, name: str = "name") -> list[float]:
        return list(draw_numbers(batch, clock, name, lambda g, n: g.random(n)))

    first = make_batch(24)
    assert numbers(batch, clock) != numbers(first, CLOCK)
    assert numbers(first, CLOCK, "other") != numbers(first, CLOCK)
    assert not torch.equal(draw_noise(batch, clock, "name"), draw_noise(first, CLOCK, "name"))


def test_arrays_and_tensors_are_the_same_numbers() -> None:
    batch = make_batch(5, 3)
    array = draw_numbers(batch, CLOCK, "name", lambda g, n: g.integers(0, 99, n))
    tensor = draw(batch, CLOCK, "name", lambda g, n: g.integers(0, 99, n))
    assert np.array_equal(tensor.numpy(), array)
