"""Fashion-MNIST: the format of MNIST in a folder of its own, with torchvision's names."""

from __future__ import annotations

import torch

from trainer.data.base import DATASETS


def test_reads_its_own_folder_with_names_of_clothes(tmp_path, write_idx):
    train, _ = write_idx("FashionMNIST/raw")
    source = DATASETS.load("fashion_mnist")().read(str(tmp_path))
    assert torch.equal(source.train.images[:, 0], torch.from_numpy(train))
    assert source.classes[0] == "T-shirt/top"
    assert len(source.classes) == 10
    assert (source.mean, source.std) == ((0.2860,), (0.3530,))
