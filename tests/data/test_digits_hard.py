"""The hard digits: fixed, split by source first, made by arithmetic that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.core.errors import ConfigError
from trainer.data import digits_hard
from trainer.data._digits import Digits, load_digits
from trainer.data.digits import DigitsData
from trainer.data.digits_hard import DigitsHard

PLAIN = {"shift": 0.0, "rotation": 0.0, "min_scale": 1.0, "max_scale": 1.0, "clutter": 0}


def test_without_any_change_it_is_digits():
    hard = DigitsHard(canvas=8, test_renditions=1, **PLAIN).read("")
    assert hard.fingerprint == DigitsData().read("").fingerprint


def test_a_larger_canvas_has_a_border_of_zeros():
    hard = DigitsHard(canvas=10, test_renditions=1, **PLAIN).read("")
    assert torch.equal(hard.train.images[:, :, 1:9, 1:9], DigitsData().read("").train.images)
    assert hard.train.images.sum() == hard.train.images[:, :, 1:9, 1:9].sum()


def test_a_half_turn_by_hand():
    pixels = np.arange(64, dtype=np.uint8).reshape(1, 8, 8) % 17
    hard = DigitsHard(canvas=8, **{**PLAIN, "rotation": 180.0})
    draws = np.array([[1.0, 0.5, 0.5, 0.5]])  # angle +180 degrees, scale 1, no shift
    turned = hard._place(pixels, draws)
    assert (turned[0] == pixels[0, ::-1, ::-1].astype(int) * digits_hard.ONE).all()


def test_a_shift_by_hand():
    pixels = np.arange(64, dtype=np.uint8).reshape(1, 8, 8) % 17
    hard = DigitsHard(canvas=8, **{**PLAIN, "shift": 2.0})
    moved = hard._place(pixels, np.array([[0.5, 0.5, 1.0, 0.25]]))[0]  # down 2, left 1
    assert (moved[2:, :7] == pixels[0, :6, 1:].astype(int) * digits_hard.ONE).all()
    assert (moved[:2] == 0).all()


@pytest.mark.slow
def test_images_are_the_same_for_ever():
    hard = DigitsHard().read("")
    assert hard.train.images.shape == (1437, 1, 16, 16)
    assert hard.test.images.shape == (1440, 1, 16, 16)
    assert hard.fingerprint == ("40d0b054ceccd80aab20cad8bbdc44b8f0c4eea5b2f9342be662362a3fb55bca")


@pytest.mark.slow
def test_make_seed_moves_images_and_not_labels():
    one, other = DigitsHard().read(""), DigitsHard(make_seed=1).read("")
    assert one.fingerprint != other.fingerprint
    assert torch.equal(one.train.labels, other.train.labels)


@pytest.mark.slow
def test_test_images_are_made_of_test_digits_alone(monkeypatch):
    before = DigitsHard().read("")
    train, test = load_digits()
    blank = Digits(np.zeros_like(train.pixels), train.labels)
    monkeypatch.setattr(digits_hard, "load_digits", lambda: (blank, test))
    after = DigitsHard(clutter=2).read("")
    assert after.train.images.sum() == 0
    assert torch.equal(after.test.images, before.test.images)


@pytest.mark.slow
def test_clutter_only_adds():
    plain, cluttered = (DigitsHard(clutter=n).read("").train.images for n in (0, 2))
    assert (cluttered >= plain).all()
    assert (cluttered > plain).flatten(1).any(1).float().mean() > 0.9


@pytest.mark.slow
def test_renditions_of_a_test_digit_differ_and_share_its_label():
    hard = DigitsHard(test_renditions=2).read("").test
    assert torch.equal(hard.labels[:360], hard.labels[360:])
    assert not (hard.images[:360] == hard.images[360:]).flatten(1).all(1).any()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("canvas", 7),
        ("shift", 9.0),
        ("rotation", -1.0),
        ("min_scale", 2.0),
        ("clutter", -1),
        ("test_renditions", 0),
        ("make_seed", -1),
    ],
)
def test_bad_settings_are_refused_by_name(key, value):
    with pytest.raises(ConfigError, match=rf"data\.{key}.*{value}"):
        DigitsHard(**{key: value})
