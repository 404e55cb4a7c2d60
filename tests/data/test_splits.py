"""Which images are held out: stratified, moved by one seed, refused where impossible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.core import rng
from trainer.core.errors import ConfigError
from trainer.core.units import Amount
from trainer.data._splits import split_source, stratified
from trainer.data.base import DataKeys, Images


def keys(val: str = "10%", subset: str = "100%", **others: int) -> DataKeys:
    return DataKeys(
        val=Amount.parse(val, "data.val"), subset=Amount.parse(subset, "data.subset"), **others
    )


def test_val_and_train_are_disjoint_complete_and_ascending(make_source):
    split = split_source(make_source(60), keys("10%"))
    assert len(split.val) == 6
    assert sorted([*split.train, *split.val]) == list(range(60))
    assert list(split.train) == sorted(split.train)
    assert list(split.val) == sorted(split.val)


def test_val_takes_two_of_each_class_of_twenty(make_source):
    split = split_source(make_source(60, classes=3), keys("6"))
    assert np.bincount(split.val % 3).tolist() == [2, 2, 2]


def test_split_is_the_same_for_ever():
    labels = np.arange(12) % 3
    chosen = stratified(labels, 4, rng.stream(0, "val"))
    assert chosen.tolist() == [0, 8, 9, 10]


def test_only_split_seed_moves_the_split(make_source):
    source = make_source(90)
    one, same = split_source(source, keys()), split_source(source, keys(workers=2))
    other = split_source(source, keys(split_seed=1))
    assert one.val.tolist() == same.val.tolist() != other.val.tolist()


def test_val_zero_trains_on_everything(make_source):
    for zero in ("0", "0%"):
        split = split_source(make_source(10), keys(zero))
        assert split.train.tolist() == list(range(10))
        assert len(split.val) == 0


def test_subset_is_stratified_and_leaves_val_alone(make_source):
    source = make_source(300)
    whole, part = split_source(source, keys("30")), split_source(source, keys("30", "10%"))
    assert part.val.tolist() == whole.val.tolist()
    assert np.bincount(part.train % 3).tolist() == [9, 9, 9]
    assert set(part.train) < set(whole.train)


def test_a_larger_subset_contains_the_smaller_one(make_source):
    source = make_source(300)
    small, large = (split_source(source, keys("0", n)).train for n in ("30", "60"))
    assert set(small) < set(large)


def test_own_val_images_are_used_whole(make_source):
    source = make_source(20, num_val=5)
    split = split_source(source, keys())
    assert (len(split.train), split.val.tolist()) == (20, [0, 1, 2, 3, 4])
    assert len(split_source(source, keys("0")).val) == 0
    with pytest.raises(ConfigError, match=r"data\.val=5000.*own validation split"):
        split_source(source, keys("5000"))


@pytest.mark.parametrize(
    ("val", "subset", "message"),
    [
        ("61", "100%", r"data\.val=61 .*61 of 60 .*at most 57"),
        ("58", "100%", r"data\.val=58 .*at most 57"),
        ("0.1%", "100%", r"data\.val=0\.1% of 60 images is none"),
        ("0", "61", r"data\.subset=61: only 60 .*data\.val=0"),
        ("6", "2", r"data\.subset=2 is 2 images, fewer than one for each of the 3"),
    ],
)
def test_impossible_amounts_are_refused_with_key_and_value(make_source, val, subset, message):
    with pytest.raises(ConfigError, match=message):
        split_source(make_source(60), keys(val, subset))


def test_a_class_with_one_image_is_named(make_source):
    source = make_source(60)
    labels = torch.tensor([0] * 40 + [1] * 19 + [2])
    source = replace(source, train=Images(source.train.images, labels))
    with pytest.raises(ConfigError, match=r"data\.val=10%: class 'c' has 1 image"):
        split_source(source, keys())


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_stratified_takes_what_was_asked_near_to_proportion(classes, data):
    labels = np.array(classes)
    num = data.draw(st.integers(0, len(labels)))
    chosen = stratified(labels, num, rng.stream(0, "test"))
    assert len(set(chosen.tolist())) == len(chosen) == num
    exact = np.bincount(labels) * num / len(labels)
    taken = np.bincount(labels[chosen], minlength=len(exact)) if num else np.zeros(len(exact))
    assert (abs(taken - exact) < 1).all()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 9), min_size=1, max_size=5), st.data())
def test_least_and_keep_bound_every_class(counts, data):
    labels = np.repeat(np.arange(len(counts)), counts)
    num = data.draw(st.integers(len(counts), len(labels) - len(counts)))
    taken = np.bincount(labels[stratified(labels, num, rng.stream(0, "test"), least=1, keep=1)])
    assert taken.sum() == num
    assert (taken >= 1).all()
    assert (taken <= np.array(counts) - 1).all()
