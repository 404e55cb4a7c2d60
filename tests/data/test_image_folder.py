"""Trees of image files: splits, what is set aside, and files that change."""

from __future__ import annotations

import os

import pytest
import torch
from PIL import Image

from trainer.core.errors import ConfigError
from trainer.core.units import Amount
from trainer.data.base import DATASETS
from trainer.data.image_folder import ImageFolder


def test_reads_three_splits_class_by_class(tmp_path, write_tree):
    write_tree(tmp_path / "train", {"cat": 3, "dog": 2})
    write_tree(tmp_path / "val", {"cat": 1, "dog": 1})
    write_tree(tmp_path / "test", {"dog": 1})
    source = DATASETS.load("image_folder")(cache_size=8).read(str(tmp_path))
    assert source.classes == ("cat", "dog")
    assert source.train.images[:, :, 4, 4].tolist() == [
        [0, 0, 7],
        [0, 10, 7],
        [0, 20, 7],
        [50, 0, 7],
        [50, 10, 7],
    ]
    assert source.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert source.val is not None
    assert source.val.labels.tolist() == [0, 1]
    assert source.test.labels.tolist() == [1]
    assert source.mean == pytest.approx([20 / 255, 8 / 255, 7 / 255])


def test_without_test_a_stratified_share_is_set_aside(tmp_path, write_tree):
    write_tree(tmp_path / "train", {"cat": 10, "dog": 20})
    source = ImageFolder(cache_size=8, test=Amount(20, True)).read(str(tmp_path))
    assert torch.bincount(source.test.labels).tolist() == [2, 4]
    assert torch.bincount(source.train.labels).tolist() == [8, 16]
    assert source.val is None
    colours = torch.cat([source.train.images, source.test.images])[:, :2, 0, 0]
    assert len(colours.unique(dim=0)) == 30


def test_a_changed_file_is_seen(tmp_path, write_tree):
    write_tree(tmp_path / "train", {"cat": 3, "dog": 3})
    folder = ImageFolder(cache_size=8, test=Amount(2, False))
    before = folder.read(str(tmp_path))
    write_tree(tmp_path / "new", {"red": 1, "green": 1, "blue": 1})
    os.replace(tmp_path / "new/blue/0000.png", tmp_path / "train/cat/0000.png")
    assert folder.read(str(tmp_path)).fingerprint != before.fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("what", ["files", "folders"])
def test_pictures_of_one_size_and_time_that_are_exchanged_are_decoded_anew(tmp_path, what):
    for name, colour in (("a", 10), ("b", 200)):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(20):
            file = tmp_path / "train" / name / f"{number}.bmp"
            Image.new("L", (8, 8), colour + number).save(file)
            os.utime(file, (1, 1))
    folder = ImageFolder(cache_size=8, test=Amount(10, False))
    before = folder.read(str(tmp_path))
    a, b = (tmp_path / "train" / name / ("0.bmp" if what == "files" else "") for name in "ab")
    a.rename(tmp_path / "aside")
    b.rename(a)
    (tmp_path / "aside").rename(b)
    after = folder.read(str(tmp_path))
    assert after.fingerprint != before.fingerprint
    pixels = {
        (int(label), int(image[0, 0, 0]))
        for part in (after.train, after.test)
        for label, image in zip(part.labels, part.images, strict=True)
    }
    exchanged = range(1) if what == "files" else range(20)
    assert {pixel for label, pixel in pixels if label == 0} == {
        (200 if number in exchanged else 10) + number for number in range(20)
    }


def test_bad_settings_are_refused_by_name(tmp_path, write_tree):
    with pytest.raises(ConfigError, match=r"data\.cache_size must be from 4 to 4096 pixels, got 3"):
        ImageFolder(cache_size=3)
    with pytest.raises(ConfigError, match=r"data\.test must be positive"):
        ImageFolder(test=Amount(0, True))
    write_tree(tmp_path / "train", {"cat": 2, "dog": 2})
    with pytest.raises(ConfigError, match=r"data\.test=9 holds out 9 of 4"):
        ImageFolder(test=Amount(9, False)).read(str(tmp_path))
