"""The JPEG copy of CIFAR-10: its folder, the order of its files, its own statistics."""

from __future__ import annotations

import pytest

from trainer.core.errors import ConfigError, DataError
from trainer.data._stats import mean_std
from trainer.data.base import DATASETS
from trainer.data.cifar10_jpeg import Cifar10Jpeg


def test_reads_its_folder_in_the_order_of_the_numbers(tmp_path, write_tree):
    write_tree(tmp_path / "cifar10-jpeg/train", {"airplane": 12, "truck": 3}, size=32)
    write_tree(tmp_path / "cifar10-jpeg/test", {"airplane": 1, "truck": 1}, size=32)
    source = DATASETS.load("cifar10_jpeg")().read(str(tmp_path))
    assert source.train.images.shape == (15, 3, 32, 32)
    assert source.train.images[:12, 1, 0, 0].tolist() == [number * 10 for number in range(12)]
    assert source.train.labels.tolist() == [0] * 12 + [1] * 3
    assert (source.mean, source.std) == mean_std(source.train.images)
    assert (tmp_path / ".trainer-cache").is_dir()


def test_cache_size_decides_on_the_stored_size(tmp_path, write_tree):
    for split in ("train", "test"):
        write_tree(tmp_path / "cifar10-jpeg" / split, {"airplane": 2, "truck": 2}, size=32)
    assert Cifar10Jpeg(cache_size=16).read(str(tmp_path)).train.images.shape == (4, 3, 16, 16)
    assert Cifar10Jpeg(cache_size=32).read(str(tmp_path)).train.images.shape == (4, 3, 32, 32)


def test_missing_folder_is_named(tmp_path, write_tree):
    with pytest.raises(DataError, match=r"cifar10-jpeg/train not found: .*data\.root"):
        Cifar10Jpeg().read(str(tmp_path))
    write_tree(tmp_path / "cifar10-jpeg/train", {"airplane": 2, "truck": 2})
    with pytest.raises(DataError, match=r"cifar10-jpeg/test not found"):
        Cifar10Jpeg().read(str(tmp_path))


def test_bad_size_is_refused():
    with pytest.raises(ConfigError, match=r"data\.cache_size"):
        Cifar10Jpeg(cache_size=0)
