"""Oversampling: every class as often as the largest, by seed and epoch alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.command import TINY
from tests.training import assembled, trained
from trainer.core.units import Amount
from trainer.data._balance import Oversampling
from trainer.data._batches import Batches
from trainer.data.base import DataKeys, Images, Source

SIZES = st.lists(st.integers(1, 9), min_size=2, max_size=4).filter(lambda s: sum(s) >= 8)


def source_of(sizes: list[int]) -> Source:
    """Images whose pixel is their position."""
    labels = torch.tensor([k for k, size in enumerate(sizes) for _ in range(size)])
    images = Images(torch.arange(len(labels)).to(torch.uint8).view(-1, 1, 1, 1), labels)
    return Source(images, images, tuple("abcdefgh"[: len(sizes)]), (0.5,), (0.25,), "f")


def batches_of(sizes: list[int], **options: object) -> Batches:
    """Return batches of classes of these sizes; what an epoch leaves over is kept by one process
    and dropped by several, whose parts it may be too small for."""
    last: Literal["keep", "drop"] = "drop" if options.get("world_size") else "keep"
    keys = DataKeys(val=Amount(0, False), balance="oversample", last=last)
    settings: dict[str, object] = {"batch_size": 4, **options}
    return Batches(source_of(sizes), keys, **settings)  # type: ignore[arg-type]


def seen(data: Batches, epoch: int, start: int = 0) -> list[list[int]]:
    """Return the positions of each step's images."""
    return [
        [int(p) for batch in step for p in batch.images.flatten()]
        for step in data.train_steps(epoch, start)
    ]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(0, 5), st.integers(0, 2))
def test_an_epoch_has_every_class_as_often_as_the_largest(
    sizes: list[int], seed: int, epoch: int
) -> None:
    data = batches_of(sizes, seed=seed)
    steps = seen(data, epoch)
    images = Counter(p for step in steps for p in step)
    labels = source_of(sizes).train.labels
    per_class = Counter(int(labels[p]) for p in images.elements())
    assert per_class == {k: max(sizes) for k in range(len(sizes))}
    for k, size in enumerate(sizes):
        times = {images[p] for p in range(len(labels)) if labels[p] == k}
        assert times <= {max(sizes) // size, max(sizes) // size + 1}
    assert data.epoch_images == len(sizes) * max(sizes) == sum(data.train_counts)
    assert data.num_train == sum(sizes)
    assert seen(data, epoch, len(steps) - 1) == steps[-1:]  # resumed
    assert seen(batches_of(sizes, seed=seed), epoch) == steps


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(SIZES, st.sampled_from([(2, 1), (1, 2), (2, 2)]))
def test_processes_and_micro_batches_share_the_steps_of_one(
    sizes: list[int], cut: tuple[int, int]
) -> None:
    world, accumulate = cut
    options = {"batch_size": 8, "accumulate": accumulate, "world_size": world}
    whole = seen(batches_of([s + 9 for s in sizes], batch_size=8, world_size=1), 1)
    parts = [seen(batches_of([s + 9 for s in sizes], **options, rank=r), 1) for r in range(world)]
    assert [[p for part in step for p in part] for step in zip(*parts, strict=True)] == whole


def test_epochs_draw_anew_and_a_second_draw_is_balanced_too() -> None:
    data = batches_of([9, 2, 4], partners=True)
    first, second = (Counter(p for step in seen(data, epoch) for p in step) for epoch in (0, 1))
    assert first != second
    labels = source_of([9, 2, 4]).train.labels
    partners = [b.partner for step in data.train_steps(0, 0) for b in step]
    drawn = [int(p) for b in partners if b is not None for p in b.images.flatten()]
    assert Counter(labels[drawn].tolist()) == {0: 9, 1: 9, 2: 9}
    for step in data.train_steps(0, 0):
        for batch in step:
            assert batch.index is not None
            assert batch.index.tolist() == batch.images.flatten().tolist()


def test_equal_classes_are_left_alone_and_labels_count_as_they_are_trained_on() -> None:
    assert Oversampling.of(np.arange(6), np.array([0, 1, 2, 0, 1, 2])) is None
    noisy = batches_of([21, 20], label_noise=Amount(7, False))
    assert noisy.noise is not None
    assert noisy.noise.changed
    assert len(set(noisy.train_counts)) == 1
    assert noisy.epoch_images > noisy.num_train
    labels = [int(n) for step in noisy.train_steps(0, 0) for b in step for n in b.labels]
    assert len(set(Counter(labels).values())) == 1


def test_clean_images_for_statistics_are_the_training_images_as_they_are() -> None:
    data = batches_of([9, 2, 4])
    clean = [int(p) for b in data.clean_train_batches(100) for p in b.images.flatten()]
    assert sorted(clean) == list(range(15))


@pytest.mark.slow
def test_equal_classes_train_to_the_same_bits_with_and_without() -> None:
    words = ("data.num_train=40", "data.num_classes=4")
    assert trained(*words, "data.balance=oversample") == trained(*words)
    assert trained("data.num_train=43", "data.balance=oversample") != trained("data.num_train=43")


def test_a_run_has_as_many_steps_as_the_longer_epoch() -> None:
    with assembled(*TINY, "data.num_train=41", "data.val=0", "data.balance=oversample") as run:
        assert run.data.epoch_images == 50  # ten classes, one of five images, nine of four
        assert run.data.steps_per_epoch == 4
        assert run.total == 8


@pytest.mark.parametrize("share", ["50%", "100%"])
def test_only_what_is_trained_on_counts(share: str) -> None:
    keys = DataKeys(subset=Amount.parse(share, "data.subset"), balance="oversample")
    data = Batches(source_of([40, 10]), replace(keys, val=Amount(20, True)), batch_size=4)
    positions = {p for step in seen(data, 0) for p in step}
    assert len(positions) == data.num_train < 50
    assert not positions & {int(p) for b in data.val_batches() for p in b.images.flatten()}
