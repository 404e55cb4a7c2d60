"""Trees of image files: splits, formats, sizes, and broken files that are named."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.core.errors import ConfigError, DataError
from trainer.core.units import Amount
from trainer.data._decode import MAX_PIXELS, decode
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


@pytest.mark.parametrize(
    ("mode", "suffix", "expected"),
    [
        ("L", "png", [90, 90, 90]),
        ("L", "jpg", [90, 90, 90]),
        ("RGB", "bmp", [200, 100, 50]),
        ("RGB", "webp", [200, 100, 50]),
        ("RGBA", "png", [200, 100, 50]),
        ("P", "png", [200, 100, 50]),
        ("I;16", "png", [90, 90, 90]),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, mode, suffix, expected):
    colour = (200, 100, 50)
    if mode == "L":
        image = Image.new("L", (6, 6), 90)
    elif mode == "I;16":
        image = Image.fromarray(np.full((6, 6), 90 << 8, dtype=np.uint16))
    else:
        image = Image.new("RGB", (6, 6), colour)
        image = image.quantize(4) if mode == "P" else image.convert(mode)
    path = tmp_path / f"image.{suffix}"
    options = {"transparency": b"\x80\xff"} if mode == "P" else {}
    image.save(path, **({"lossless": True} if suffix == "webp" else options))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(path, 6)[:, 3, 3].tolist() == expected


def test_short_side_is_resized_and_the_centre_kept(tmp_path):
    pixels = np.zeros((8, 16, 3), dtype=np.uint8)
    pixels[:, 4:12] = 255  # the middle square is white
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert (decode(tmp_path / "wide.png", 8) == 255).all()
    half = decode(tmp_path / "wide.png", 4)
    assert half.shape == (3, 4, 4)
    assert (half[:, :, 1:3] == 255).all()
    assert decode(tmp_path / "wide.png", 20).shape == (3, 20, 20)


def png_header_of(width: int, height: int) -> bytes:
    """Return the start of a PNG file that claims a size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + crc

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0"))


def truncated_jpeg() -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    return stream.getvalue()[:1500]


def gif() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (4, 4)).save(stream, "GIF")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cannot identify"),
        (b"not an image", "cannot identify"),
        (truncated_jpeg(), "truncated"),
        (gif(), "cannot identify.*PNG, JPEG, WEBP, BMP are read"),
        (png_header_of(10_000, 9_500), "decompression bomb"),
        (png_header_of(60_000, 60_000), "decompression bomb"),
    ],
)
def test_broken_image_is_named(tmp_path, write_tree, content, why):
    write_tree(tmp_path / "train", {"cat": 3, "dog": 3})
    (tmp_path / "train/dog/0001.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"train/dog/0001\.png cannot be decoded .*{why}"):
        ImageFolder().read(str(tmp_path))


def test_more_than_64_megapixels_are_refused(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png_header_of(8_001, 8_000))
    with pytest.raises(DataError, match=rf"large\.png has 64008000 pixels; at most {MAX_PIXELS}"):
        decode(path, 8)


def test_hidden_and_file_managers_files_are_passed_over(tmp_path, write_tree):
    write_tree(tmp_path / "train", {"cat": 4, "dog": 4})
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / "train/cat" / name).write_bytes(b"junk")
    (tmp_path / "train/.cache").mkdir()
    source = ImageFolder(cache_size=8, test=Amount(2, False)).read(str(tmp_path))
    assert (len(source.train), len(source.test), source.classes) == (6, 2, ("cat", "dog"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root, tree: None, r"train not found: images belong into .*/train/<class>/"),
        (lambda root, tree: tree(root / "train", {"cat": 2}), "at least 2; found only 'cat'"),
        (lambda root, tree: tree(root / "train", {"cat": 2, "dog": 0}), "train/dog holds no image"),
        (
            lambda root, tree: [
                tree(root / "train", {"cat": 2, "dog": 2}),
                tree(root / "test", {"cow": 1}),
            ],
            "test/cow: class 'cow' is not among those of train",
        ),
        (
            lambda root, tree: [
                tree(root / "train", {"cat": 2, "dog": 2}),
                (root / "test").mkdir(),
            ],
            "test holds no image",
        ),
    ],
)
def test_wrong_trees_are_explained(tmp_path, write_tree, make, message):
    make(tmp_path, write_tree)
    with pytest.raises(DataError, match=message):
        ImageFolder().read(str(tmp_path))


def test_bad_settings_are_refused_by_name(tmp_path, write_tree):
    with pytest.raises(ConfigError, match=r"data\.cache_size must be from 4 to 4096 pixels, got 3"):
        ImageFolder(cache_size=3)
    with pytest.raises(ConfigError, match=r"data\.test must be positive"):
        ImageFolder(test=Amount(0, True))
    write_tree(tmp_path / "train", {"cat": 2, "dog": 2})
    with pytest.raises(ConfigError, match=r"data\.test=9 holds out 9 of 4"):
        ImageFolder(test=Amount(9, False)).read(str(tmp_path))
