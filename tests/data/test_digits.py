"""The packaged digits: real, complete, always the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.core.errors import DataError
from trainer.data import _digits
from trainer.data.base import DATASETS
from trainer.data.digits import DigitsData


def test_is_found_by_name_and_needs_no_root():
    assert DATASETS.load("digits") is DigitsData
    assert len(DigitsData().read("/nowhere").train) == 1437


def test_first_image_by_hand():
    train, test = _digits.load_digits()
    zero = [0, 0, 5, 13, 9, 1, 0, 0]  # first row of the published file
    rows = np.concatenate([train.pixels, test.pixels])[:, 0].tolist()
    assert zero in rows
    source = DigitsData().read("")
    spread = torch.tensor([0, 0, 80, 207, 143, 16, 0, 0], dtype=torch.uint8)  # times 255 / 16
    images = torch.cat([source.train.images, source.test.images])
    assert (images[:, 0, 0] == spread).all(1).any()


def test_test_images_are_stratified_and_together_they_are_the_published_ones():
    source = DigitsData().read("")
    assert source.train.images.shape == (1437, 1, 8, 8)
    assert source.test.images.shape == (360, 1, 8, 8)
    counts = [torch.bincount(split.labels) for split in (source.train, source.test)]
    assert sum(counts).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert set(counts[1].tolist()) == {35, 36, 37}


def test_images_are_the_same_for_ever():
    source = DigitsData().read("")
    assert source.fingerprint == (
        "4bd514f4e94422c12e5e1dae1fd5a3650d0a2d0a32051e0a6f17178ccdd299c5"
    )
    floats = source.train.images.double() / 255
    assert source.mean == pytest.approx([floats.mean().item()], rel=1e-12)
    assert source.std == pytest.approx([floats.std(correction=0).item()], rel=1e-12)
    assert source.train.images.max() == 255


def test_damaged_file_of_the_package_is_named(tmp_path, monkeypatch):
    broken = tmp_path / "digits.npz"
    broken.write_bytes(b"PK not really")
    monkeypatch.setattr(_digits, "FILE", broken)
    with pytest.raises(DataError, match=r"digits\.npz is missing or damaged"):
        DigitsData().read("")
