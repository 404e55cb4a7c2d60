"""MNIST: read as written, cached, and one clear message where files are missing or damaged."""

from __future__ import annotations

import gzip
import socket
import urllib.request
from urllib.error import URLError

import pytest
import torch

from trainer.core.errors import ConfigError, DataError
from trainer.data._torchvision import Mnist
from trainer.data.base import DATASETS


@pytest.fixture
def no_network(monkeypatch):
    """Refuse every connection; return the addresses asked for and the time-outs they were given."""
    asked = []

    def refuse(request, *args, **kwargs):
        asked.append((request.full_url, socket.getdefaulttimeout()))
        raise URLError("Network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return asked


def test_reads_what_the_files_hold(tmp_path, write_idx):
    train, test = write_idx("MNIST/raw")
    source = DATASETS.load("mnist")().read(str(tmp_path))
    assert torch.equal(source.train.images[:, 0], torch.from_numpy(train))
    assert torch.equal(source.test.images[:, 0], torch.from_numpy(test))
    assert source.train.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert source.classes == tuple("0123456789")
    assert (source.mean, source.std) == ((0.1307,), (0.3081,))


def test_second_reading_is_mapped_and_equal(tmp_path, write_idx, monkeypatch):
    write_idx("MNIST/raw")
    first = Mnist().read(str(tmp_path))
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"imported {name}"))
    again = Mnist().read(str(tmp_path))
    assert again.fingerprint == first.fingerprint
    assert torch.equal(again.train.images, first.train.images)


def test_missing_files_and_no_network_make_one_message(tmp_path, no_network, capsys):
    with pytest.raises(DataError) as caught:
        Mnist().read(str(tmp_path / "data"))
    message = str(caught.value)
    assert "\n" not in message
    for part in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte", "Network is unreachable"):
        assert part in message
    assert str(tmp_path / "data" / "MNIST" / "raw") in message
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "data").exists()
    assert {timeout for _, timeout in no_network} == {10}
    assert socket.getdefaulttimeout() is None
    assert len(no_network) <= 4  # two mirrors of the first file, no second round


def test_only_the_missing_file_is_named(tmp_path, write_idx, no_network):
    write_idx("MNIST/raw")
    (tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"put into \S+/MNIST/raw: t10k-labels-idx1-ubyte \("):
        Mnist().read(str(tmp_path))


@pytest.mark.parametrize(
    ("keep", "message"), [(100, "100 bytes, but its header says 166"), (3, "no header")]
)
def test_truncated_file_is_named(tmp_path, write_idx, keep, message):
    write_idx("MNIST/raw")
    path = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=f"train-images-idx3-ubyte is damaged: .*{message}"):
        Mnist().read(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html>", "a web page, as of a failed download"),
        (gzip.compress(bytes(99), mtime=0), "compressed by gzip: unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"", "empty"),
    ],
)
def test_a_file_of_another_kind_is_named_with_it(tmp_path, write_idx, content, what):
    write_idx("MNIST/raw")
    (tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=f"t10k-labels-idx1-ubyte is damaged: it is {what}"):
        Mnist().read(str(tmp_path))


def test_mean_and_std_are_one_per_channel_and_positive():
    with pytest.raises(ConfigError, match=r"data\.mean and data\.std need 1 value"):
        Mnist(mean=(0.1, 0.2))
    with pytest.raises(ConfigError, match=r"data\.std must be positive, got \[0\.0\]"):
        Mnist(std=(0.0,))
