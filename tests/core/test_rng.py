"""Named streams: functions of seed, name and position, of nothing else, and of all three."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.core.rng import derive, stream


def test_by_hand_and_so_the_same_on_every_machine() -> None:
    digest = hashlib.blake2b(b"7\x1fmix\x1flambda\x1f3", digest_size=8).digest()
    assert derive(7, "mix", "lambda", 3) == int.from_bytes(digest, "little") // 2
    raw = stream(0, "shuffle", 0).bit_generator.random_raw(2)  # which NumPy promises to keep
    assert raw.tolist() == [0x8A5E93C78C3D4C6, 0x29FD7F457AC3CF80]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(0, 2**63), st.text("ab =\u00e9", max_size=5), st.integers(0, 10**6))
def test_numbers_fit_every_generator_and_repeat(seed: int, name: str, position: int) -> None:
    number = derive(seed, name, position)
    assert 0 <= number < 2**63
    assert number == derive(seed, name, position)
    a, b = stream(seed, name, position), stream(seed, name, position)
    assert np.array_equal(a.random(5), b.random(5))


def test_every_argument_counts_and_so_does_where_one_ends() -> None:
    keys = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, 1, 23), (0, 12, 3), (0,)]
    assert len({derive(*key) for key in keys}) == len(keys)


def test_streams_are_independent_of_what_was_drawn_from_others() -> None:
    expected = stream(0, "augment", 5).random(4)
    stream(0, "mix", 5).random(1_000)
    assert np.array_equal(stream(0, "augment", 5).random(4), expected)


def test_neighbouring_streams_are_not_correlated() -> None:
    draws = np.stack([stream(0, "x", i).standard_normal(500) for i in range(40)])
    correlation = np.corrcoef(draws)[np.triu_indices(40, 1)]
    assert float(np.abs(correlation).max()) < 5 / np.sqrt(500)
    firsts = np.sort([stream(s, "x").random() for s in range(500)])
    distance = np.abs(firsts - (np.arange(500) + 0.5) / 500).max()
    assert distance < 1.63 / np.sqrt(500)  # uniform, by Kolmogorov and Smirnov at 1%


def test_global_generators_are_not_touched() -> None:
    before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
    stream(0, "x").random(10)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], before_numpy)
