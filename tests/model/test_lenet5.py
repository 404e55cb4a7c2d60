"""LeNet-5 has the paper's layers and as many weights for any image size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.model.lenet5 import LeNet5


def test_weights_of_each_layer_as_in_the_paper_but_for_c3() -> None:
    model = LeNet5().build((1, 28, 28), 10)
    layers = [p for p in model.modules() if isinstance(p, (nn.Conv2d, nn.Linear))]
    counts = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    # The paper has 156, 1,516, 48,120 and 10,164; our C3 is connected to all six maps.
    assert counts == [156, 2_416, 48_120, 10_164, 850]
    assert sum(counts) == 61_706


@pytest.mark.parametrize("side", [1, 8, 28, 31, 32, 33, 64])
def test_any_image_size_has_the_same_weights(side: int) -> None:
    model = LeNet5().build((1, side, side), 10)
    assert sum(p.numel() for p in model.parameters()) == 61_706
    assert model(torch.randn(2, 1, side, side)).shape == (2, 10)


def test_an_image_of_unequal_sides() -> None:
    assert LeNet5().build((3, 20, 50), 4)(torch.randn(2, 3, 20, 50)).shape == (2, 4)


def test_28x28_images_are_framed_with_two_zeros() -> None:
    model = LeNet5().build((1, 28, 28), 10)
    images = torch.randn(2, 1, 28, 28)
    framed = torch.zeros(2, 1, 32, 32)
    framed[:, :, 2:30, 2:30] = images
    assert torch.equal(model(images), model(framed))


def test_it_has_no_batch_norm() -> None:
    model = LeNet5().build((1, 28, 28), 10)
    assert not list(model.buffers())
    images = torch.randn(3, 1, 28, 28)
    assert torch.equal(model.train()(images), model.eval()(images))
