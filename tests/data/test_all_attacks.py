"""Trees of images as found on other people's disks: no rights, links to nowhere, strange sizes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from tests.command import Call, snapshot
from trainer.core.errors import ConfigError, DataError, DiskError
from trainer.data import _decode
from trainer.data._cache import FOLDER
from trainer.data.image_folder import ImageFolder

SMALL = ImageFolder(cache_size=8)


@pytest.fixture
def tree(tmp_path: Path, write_tree) -> Path:
    write_tree(tmp_path / "set" / "train", {"a": 10, "b": 10})
    return tmp_path / "set"


def read(tree: Path, data: ImageFolder = SMALL) -> object:
    return data.read(str(tree))


@pytest.mark.parametrize("name", ["train", "train/b"])
def test_a_folder_that_may_not_be_read_is_named(tree, name, monkeypatch) -> None:
    scandir = os.scandir

    def refuse(path):
        if Path(path) == tree / name:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=rf"{tree / name} cannot be read: permission denied"):
        read(tree)


def test_links_to_nowhere_are_named_not_left_out(tree) -> None:
    for place, target, reason in (
        ("train/a/loop.png", "loop.png", "too many levels of symbolic links"),
        ("train/a/gone.png", "nothing.png", "no such file or directory"),
        ("test", "nothing", "not found"),
        ("val", "val", "too many levels of symbolic links"),
    ):
        (tree / place).symlink_to(target)
        with pytest.raises(DataError, match=rf"{tree / place} (cannot be read: )?{reason}"):
            read(tree)
        (tree / place).unlink()
    (tree / "train/a/linked.png").symlink_to("0000.png")
    assert len(read(tree).train) == 19  # and 2 of 21 set aside


def test_the_program_says_it_in_one_message(tree, call: Call, here: Path) -> None:
    (tree / "train/a/loop.png").symlink_to("loop.png")
    done = call("data=image_folder", f"data.root={tree}", "data.cache_size=8")
    assert done.code == 5
    assert done.err.count("\n") == 1
    assert snapshot(here) == {}


def test_an_image_that_no_memory_holds_once_resized_is_named(tree) -> None:
    Image.new("L", (200_000, 1)).save(tree / "train/a/thread.png")
    message = r"thread\.png, 200000x1, would have 819200000 pixels with a short side of 64"
    with pytest.raises(DataError, match=message):
        read(tree, ImageFolder())
    assert not (tree / FOLDER).exists()


@pytest.mark.slow
def test_images_with_more_pixels_than_are_decoded_are_named(tree, monkeypatch) -> None:
    monkeypatch.setattr(_decode, "MAX_PIXELS", 3000)
    Image.new("L", (60, 60)).save(tree / "train/b/large.png")
    with pytest.raises(DataError, match=r"large\.png has 3600 pixels; at most 3000 are decoded"):
        read(tree)
    monkeypatch.undo()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow's own: an error above twice that
    for side in (60, 40):
        Image.new("L", (side, side)).save(tree / "train/b/large.png")
        with pytest.raises(DataError, match=r"large\.png has too many pixels; at most"):
            read(tree)


def test_sizes_beyond_any_disk_are_refused(tree) -> None:
    for size in (4097, 10**9):
        with pytest.raises(ConfigError, match=f"from 4 to 4096 pixels, got {size}"):
            ImageFolder(cache_size=size)


def test_a_cache_that_does_not_fit_is_not_begun(tree, monkeypatch) -> None:
    from trainer.data import _cache

    monkeypatch.setattr(_cache.shutil, "disk_usage", lambda path: Usage())
    with pytest.raises(DiskError, match=r"no room in .*: 3840 bytes needed, 100 free"):
        read(tree)
    assert not (tree / FOLDER).exists()


class Usage:
    free = 100
