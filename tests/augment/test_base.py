"""The seam: draws belong to a place in the window; a chain augments a batch and its partner."""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.augment.base import AugmentKeys, Chain, draw
from trainer.augment.shift import Shift
from trainer.data.base import Batch
from trainer.duration import Clock
from trainer.registry import Choice

CLOCK = Clock(window=7, total=100, windows_per_epoch=10, seed=3)


def make_batch(count: int, start: int = 0, window_size: int = 0) -> Batch:
    images = torch.arange(1, 26, dtype=torch.uint8).view(1, 1, 5, 5).repeat(count, 1, 1, 1)
    return Batch(
        images, torch.zeros(count).long(), 10, start=start, window_size=window_size or count
    )


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 24), max_size=4))
def test_draws_are_slices_of_those_of_the_window(cuts: list[int]) -> None:
    whole = draw(make_batch(24), CLOCK, "name", lambda g, n: g.random((n, 2)))
    assert whole.shape == (24, 2)
    for start, stop in itertools.pairwise([0, *sorted(cuts), 24]):
        part = make_batch(stop - start, start, 24)
        mine = draw(part, CLOCK, "name", lambda g, n: g.random((n, 2)))
        assert torch.equal(mine, whole[start:stop])


def test_a_partner_is_augmented_with_draws_of_its_own_and_moves_none_of_the_batch() -> None:
    chain = Chain((Choice("shift", AugmentKeys(), Shift(2)),))
    alone, second = make_batch(16), replace(make_batch(16), is_partner=True)
    got = chain(replace(alone, partner=second), CLOCK)
    assert got.partner is not None
    assert torch.equal(got.images, chain(alone, CLOCK).images)
    assert torch.equal(got.partner.images, chain(second, CLOCK).images)
    assert not torch.equal(got.partner.images, got.images)
