"""Small data sets that the tests of this folder write or make themselves."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.data.base import Images, Source


@pytest.fixture(autouse=True)
def _own_user_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """Keep every test out of the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("xdg")))


@pytest.fixture(scope="session")
def make_source() -> Callable[..., Source]:
    """Return a maker of sources whose images say where they are: pixel values are the position."""

    def make(num_train: int, num_test: int = 7, classes: int = 3, num_val: int = 0) -> Source:
        def images(num: int) -> Images:
            position = torch.arange(num)
            pixels = torch.stack([position % 256, position // 256], 1).to(torch.uint8)
            return Images(pixels[:, None, None, :], position % classes)

        names = tuple("abcdefghij"[:classes])
        val = images(num_val) if num_val else None
        return Source(images(num_train), images(num_test), names, (0.5,), (0.25,), "f", val)

    return make


@pytest.fixture(scope="session")
def positions() -> Callable[[torch.Tensor], list[int]]:
    """Return the inverse of `make_source`: the positions of images in their split."""
    return lambda images: [int(p[0, 0, 0]) + 256 * int(p[0, 0, 1]) for p in images]


@pytest.fixture
def write_idx(tmp_path: Path) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Return a writer of tiny files in MNIST's format: 6 training and 4 test images, 5x5."""

    def write(folder: str) -> tuple[np.ndarray, np.ndarray]:
        raw = tmp_path / folder
        raw.mkdir(parents=True)
        generator = np.random.default_rng(0)
        made = []
        for prefix, num in (("train", 6), ("t10k", 4)):
            images = generator.integers(0, 256, (num, 5, 5), dtype=np.uint8)
            labels = np.arange(num, dtype=np.uint8)
            header = struct.pack(">4I", 0x803, *images.shape)
            (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
            header = struct.pack(">2I", 0x801, num)
            (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
            made.append(images)
        return made[0], made[1]

    return write


@pytest.fixture
def write_tree() -> Callable[..., None]:
    """Return a writer of class folders with images of one colour each, as PNG: exact."""

    def write(folder: Path, counts: dict[str, int], size: int = 8) -> None:
        for label, (name, num) in enumerate(counts.items()):
            (folder / name).mkdir(parents=True)
            for number in range(num):
                pixels = np.full((size, size, 3), (label * 50, number * 10, 7), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / name / f"{number:04d}.png")

    return write
