"""Made-up images: fixed, balanced, learnable."""

from __future__ import annotations

import pytest
import torch

from trainer.core.errors import ConfigError
from trainer.data.base import DATASETS
from trainer.data.synthetic import Synthetic


def test_is_found_by_name_and_has_the_asked_shape():
    source = DATASETS.load("synthetic")(
        num_train=13, num_test=5, image_shape=(2, 3, 4), num_classes=4
    ).read("")
    assert source.train.images.shape == (13, 2, 3, 4)
    assert source.train.images.dtype == torch.uint8
    assert source.train.labels.tolist() == [0, 1, 2, 3] * 3 + [0]
    assert len(source.test) == 5
    assert len(source.classes) == 4


def test_images_are_the_same_for_ever():
    assert Synthetic().read("").fingerprint == (
        "8b99c827dc612677e25ce57ac7c2519b1dfda1672b5268b17980d03cd2ef102d"
    )


def test_without_noise_images_of_a_class_are_equal_and_classes_differ():
    images = Synthetic(num_train=20, num_test=10, noise=0.0).read("").train.images
    assert torch.equal(images[:10], images[10:])
    assert len(images[:10].flatten(1).unique(dim=0)) == 10


def test_the_nearest_class_mean_names_test_images():
    source = Synthetic(num_train=500, num_test=100, image_shape=(1, 8, 8)).read("")
    train, test = (split.images.flatten(1).float() for split in (source.train, source.test))
    means = torch.stack([train[source.train.labels == k].mean(0) for k in range(10)])
    assert (torch.cdist(test, means).argmin(1) == source.test.labels).float().mean() > 0.95


def test_noise_alone_teaches_nothing():
    one, two = (Synthetic(num_train=n, num_test=10, noise=1.0).read("") for n in (20, 40))
    assert one.train.images.float().std() == pytest.approx(73.9, abs=1)  # uniform bytes
    assert not torch.equal(one.train.images[:10], one.test.images)
    assert len(two.train) == 40


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_train", 9),
        ("num_test", 0),
        ("num_classes", 1),
        ("noise", 1.5),
        ("image_shape", (1, 0, 2)),
    ],
)
def test_bad_settings_are_refused_by_name(key, value):
    with pytest.raises(ConfigError, match=rf"data\.{key}"):
        Synthetic(**{key: value})
