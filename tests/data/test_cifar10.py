"""CIFAR-10 from pickles in the published form.

The published pixels are not here: the MD5 sums of these tiny files stand in torchvision's list for
the test, so its check runs for real, but its own sums and the reading of the real files are not
covered.
"""

from __future__ import annotations

import hashlib
import pickle
import urllib.request
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from trainer.core.errors import ConfigError, DataError
from trainer.data._torchvision import Cifar10
from trainer.data.base import DATASETS

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Write two images per file and make their sums the published ones; return the pixels."""
    folder = tmp_path / Cifar10.folder
    folder.mkdir()
    generator = np.random.default_rng(0)
    pixels, sums = {}, {}
    for number, name in enumerate(Cifar10.files):
        pixels[name] = generator.integers(0, 256, (2, 3072), dtype=np.uint8)
        entry = {"data": pixels[name], "labels": [number, 9]}
        content = pickle.dumps({"label_names": list(NAMES)} if name == "batches.meta" else entry, 2)
        # the published files spell a dtype's flags 0 and 1, which some versions of numpy warn about
        content = content.replace(b"\x89\x88\x87", b"K\x00K\x01\x87")
        (folder / name).write_bytes(content)
        sums[name] = hashlib.md5(content).hexdigest()
    batches = [[name, sums[name]] for name in Cifar10.files[:6]]
    monkeypatch.setattr(CIFAR10, "train_list", batches[:5])
    monkeypatch.setattr(CIFAR10, "test_list", batches[5:])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    return pixels


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("Network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def test_reads_the_batches_in_order_channels_first(tmp_path, published):
    source = DATASETS.load("cifar10")().read(str(tmp_path))
    expected = np.concatenate([published[f"data_batch_{n}"] for n in range(1, 6)])
    assert torch.equal(source.train.images, torch.from_numpy(expected.reshape(10, 3, 32, 32)))
    assert source.train.labels.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert source.test.labels.tolist() == [5, 9]
    assert source.classes == NAMES
    assert source.mean == (0.4914, 0.4822, 0.4465)


def test_a_file_with_another_sum_is_never_unpickled(tmp_path, published, no_network):
    path = tmp_path / Cifar10.folder / "data_batch_3"
    path.write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    with pytest.raises(DataError, match=r"a file in .*cifar-10-batches-py is damaged"):
        Cifar10().read(str(tmp_path))


def test_missing_files_make_one_message(tmp_path, no_network):
    with pytest.raises(DataError) as caught:
        Cifar10().read(str(tmp_path / "none"))
    message = str(caught.value)
    for part in ("data_batch_1", "cifar-10-python.tar.gz", str(tmp_path / "none" / Cifar10.folder)):
        assert part in message
    assert not (tmp_path / "none").exists()


def test_three_values_for_three_channels():
    with pytest.raises(ConfigError, match="need 3 value"):
        Cifar10(mean=(0.5,), std=(0.5,))
