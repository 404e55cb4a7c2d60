"""Partners are within the micro-batch or of a second draw; draws belong to the step."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.core.clock import Clock
from trainer.data.base import Batch
from trainer.mix._pairs import Pairs

CLOCK = Clock(step=3, total=100, steps_per_epoch=10, seed=5)


def make_batch(count: int = 16, start: int = 0) -> Batch:
    """Images and labels that tell which example they are."""
    labels = torch.arange(start, start + count)
    images = labels.double().view(-1, 1, 1, 1).expand(-1, 2, 3, 3).clone()
    return Batch(images, labels, 200, start=start, step_images=count)


def partners(batch: Batch, clock: Clock = CLOCK) -> list[int]:
    return Pairs(batch, clock).other().labels.tolist()


def test_partners_are_a_permutation_of_the_micro_batch_images_labels_and_targets_alike() -> None:
    batch = replace(make_batch(), targets=torch.eye(16, dtype=torch.float64))
    other = Pairs(batch, CLOCK).other()
    assert sorted(other.labels.tolist()) == list(range(16))
    assert other.labels.tolist() != list(range(16))
    assert other.images[:, 0, 0, 0].tolist() == other.labels.tolist()
    assert other.targets is not None
    assert other.targets.argmax(1).tolist() == other.labels.tolist()


def test_partners_differ_between_micro_batches_steps_and_seeds() -> None:
    first = partners(make_batch())
    assert partners(make_batch()) == first
    assert partners(replace(make_batch(), start=16)) != first
    assert partners(make_batch(), CLOCK.at(4)) != first
    assert partners(make_batch(), replace(CLOCK, seed=6)) != first


def test_a_second_draw_is_taken_where_there_is_one() -> None:
    second = make_batch(start=100)
    assert Pairs(replace(make_batch(), partner=second), CLOCK).other() is second


def test_the_layout_of_images_is_kept() -> None:
    batch = make_batch()
    batch = replace(batch, images=batch.images.contiguous(memory_format=torch.channels_last))
    other = Pairs(batch, CLOCK).other()
    assert other.images.is_contiguous(memory_format=torch.channels_last)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 24), max_size=4))
def test_draws_of_samples_are_slices_of_those_of_the_step(cuts: list[int]) -> None:
    whole = Pairs(make_batch(24), CLOCK, "sample").each("name", lambda g, n: g.random((n, 2)))
    assert whole.shape == (24, 2)
    for start, stop in itertools.pairwise([0, *sorted(cuts), 24]):
        part = replace(make_batch(stop - start, start), step_images=24)
        mine = Pairs(part, CLOCK, "sample").each("name", lambda g, n: g.random((n, 2)))
        assert np.array_equal(mine, whole[start:stop])


def test_one_draw_serves_every_micro_batch_of_the_step() -> None:
    draws = [
        Pairs(replace(make_batch(8, start), step_images=16), CLOCK).each(
            "name", lambda g, n: g.random(n)
        )
        for start in (0, 8)
    ]
    assert draws[0].shape == (1,)
    assert draws[0] == draws[1]
    steps = {Pairs(make_batch(8, start), CLOCK, "sample").step("name") for start in (0, 8)}
    assert len(steps) == 1
    assert Pairs(make_batch(8), CLOCK.at(4)).step("name") not in steps


def test_the_global_generators_are_not_touched() -> None:
    before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
    pairs = Pairs(make_batch(), CLOCK, "sample")
    pairs.other(), pairs.step("name"), pairs.each("name", lambda g, n: g.random(n))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], before_numpy)
