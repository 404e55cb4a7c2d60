"""Label noise: so many training labels drawn anew, the same for every seed; val and test stay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.command import TINY, Call
from tests.training import trained
from trainer.core.errors import ConfigError
from trainer.core.units import Amount
from trainer.data._batches import Batches
from trainer.data._noise import with_noise
from trainer.data.base import DataKeys


def noisy(amount: Amount, num: int = 600, seed: int = 0, classes: int = 10):
    """Labels before and after, and what was done, all of them being trained on."""
    before = torch.arange(num) % classes
    after, noise = with_noise(before, np.arange(num), amount, num_classes=classes, seed=seed)
    return before, after, noise


@pytest.mark.slow
@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(20, 300), st.integers(1, 20), st.integers(2, 10), st.integers(0, 99))
def test_exactly_so_many_are_drawn_anew_and_none_outside(num, amount, classes, seed) -> None:
    before = torch.arange(num) % classes
    copy, train = before.clone(), np.arange(num)[::2]
    wanted = Amount(min(amount, len(train)), False)
    after, noise = with_noise(before, train, wanted, num_classes=classes, seed=seed)
    assert noise is not None
    assert torch.equal(before, copy)
    assert torch.equal(after[1::2], before[1::2])  # held out
    assert noise.replaced == wanted.value
    assert noise.changed == int((after != before).sum()) <= noise.replaced
    assert 0 <= int(after.min()) <= int(after.max()) < classes


def test_a_share_is_of_the_labels_trained_on() -> None:
    *_, noise = noisy(Amount(25, True))
    assert noise is not None
    assert noise.replaced == 150


def test_a_new_label_is_uniform_and_may_be_the_old_one() -> None:
    before, after, noise = noisy(Amount(100, True), num=20_000)
    counts = torch.bincount(after[before == 3], minlength=10)
    # 200 expected of each; chi-squared of 9 degrees of freedom is above 27.9 once in 1000
    assert float(((counts - 200) ** 2 / 200).sum()) < 27.9
    assert noise is not None
    assert noise.changed / noise.replaced == pytest.approx(0.9, abs=0.01)  # 4 standard deviations


def test_more_noise_holds_the_less_and_another_seed_is_other_noise() -> None:
    before, less, _ = noisy(Amount(20, True))
    _, more, _ = noisy(Amount(50, True))
    is_wrong = less != before
    assert torch.equal(more[is_wrong], less[is_wrong])
    assert not torch.equal(noisy(Amount(20, True), seed=1)[1], less)


def test_no_noise_is_nothing() -> None:
    before, after, noise = noisy(Amount(0, True))
    assert after is before
    assert noise is None


@pytest.mark.parametrize("amount", [Amount(0.01, True), Amount(601, False)])
def test_noise_of_no_label_or_of_more_than_there_are_is_refused(amount: Amount) -> None:
    with pytest.raises(ConfigError, match=rf"label_noise={amount} is \d+ of 600 training labels"):
        noisy(amount)


def test_val_test_and_clean_images_keep_to_their_purpose_and_no_stream_moves(
    make_source, positions
) -> None:
    source = make_source(90, num_test=30)
    keys = DataKeys(val=Amount(30, False), subset=Amount(30, False))
    plain = Batches(source, keys, batch_size=10)
    data = Batches(source, keys, batch_size=10, label_noise=Amount(100, True))
    assert (plain.noise, data.noise is not None and data.noise.replaced) == (None, 30)
    for clean in ("val_batches", "test_batches"):
        for batch in getattr(data, clean)():
            assert batch.labels.tolist() == [p % 3 for p in positions(batch.images)]
    wrong = 0
    for ours, theirs in zip(data.train_steps(0, 0), plain.train_steps(0, 0), strict=True):
        assert torch.equal(ours[0].images, theirs[0].images)
        wrong += int((ours[0].labels != theirs[0].labels).sum())
    assert data.noise is not None
    assert wrong == data.noise.changed > 10
    sampled = zip(data.clean_train_batches(20), plain.clean_train_batches(20), strict=True)
    assert all(torch.equal(a.images, b.images) for a, b in sampled)
    assert torch.equal(source.train.labels, torch.arange(90) % 3)


def test_the_noise_moves_with_the_split_alone(make_source) -> None:
    def labels(seed: int, split_seed: int) -> list[tuple[list[int], int]]:
        keys = DataKeys(val=Amount(0, False), split_seed=split_seed)
        data = Batches(
            make_source(60), keys, batch_size=10, seed=seed, label_noise=Amount(50, True)
        )
        steps = data.train_steps(0, 0)
        return sorted(
            (image.flatten().tolist(), int(label))
            for (batch,) in steps
            for image, label in zip(batch.images, batch.labels, strict=True)
        )

    assert labels(0, 0) == labels(7, 0)
    assert labels(0, 0) != labels(0, 1)


@pytest.mark.slow
def test_it_changes_the_weights_and_stands_in_the_summary(call: Call) -> None:
    assert len({trained(f"label_noise={share}") for share in ("20%", "40%", "0%")}) == 3
    assert trained("label_noise=0%") == trained()
    assert call(*TINY, "label_noise=50%", "data.val=0").code == 0
    summary = json.loads((Path("outputs/latest") / "summary.json").read_text())
    assert summary["label_noise"]["replaced"] == 32
    assert 20 <= summary["label_noise"]["changed"] <= 32
    assert call(*TINY, "data.val=0").code == 0
    plain = json.loads((Path("outputs/latest") / "summary.json").read_text())
    assert "label_noise" not in plain
    planned = call(*TINY, "label_noise=50%", "data.val=0", "task=plan")
    assert "32 labels drawn at random" in " ".join(planned.out.split())  # lines are wrapped
    assert plain["key"] != summary["key"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0.2", "label_noise must be a share such as 10% or a number of images"),
        ("101%", "label_noise must be a share such as 10%"),
        ("65", "label_noise=65 is 65 of 58 training labels"),
    ],
)
def test_bad_values_are_refused_before_a_folder_is_made(call: Call, value, message) -> None:
    outcome = call(*TINY, f"label_noise={value}")
    assert outcome.code == 2
    assert message in outcome.err
    assert not Path("outputs").exists()
