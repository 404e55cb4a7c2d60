"""CIFAR-100: fine labels out of pickles in the published form (real sums and files are not
covered).
"""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import torch
from torchvision.datasets import CIFAR100

from trainer.data._torchvision import Cifar100
from trainer.data.base import DATASETS


def test_reads_fine_labels_and_a_hundred_names(tmp_path, monkeypatch):
    folder = tmp_path / Cifar100.folder
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8)
    names = [f"class {k}" for k in range(100)]
    entry = {"data": pixels, "fine_labels": [99, 0, 5], "coarse_labels": [1, 1, 1]}
    sums = {}
    for name in Cifar100.files:
        content = pickle.dumps({"fine_label_names": names} if name == "meta" else entry, 2)
        (folder / name).write_bytes(content)
        sums[name] = hashlib.md5(content).hexdigest()
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": sums["meta"]})
    source = DATASETS.load("cifar100")().read(str(tmp_path))
    assert torch.equal(source.train.images, torch.from_numpy(pixels.reshape(3, 3, 32, 32)))
    assert source.train.labels.tolist() == [99, 0, 5]
    assert source.classes == tuple(names)
    assert source.mean == (0.5071, 0.4865, 0.4409)
