"""The fully connected network has the reference's layers in the reference's order."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.model.mlp import Mlp


def test_weights_on_mnist_counted_by_hand() -> None:
    model = Mlp().build((1, 28, 28), 10)
    linear = (784 * 256 + 256) + (256 * 256 + 256) + (256 * 10 + 10)
    assert sum(p.numel() for p in model.parameters()) == linear + 2 * 2 * 256 == 270_346


def test_layers_are_linear_then_batch_norm_then_relu() -> None:
    kinds = [type(part).__name__ for part in Mlp(hidden=(8, 4)).build((1, 2, 2), 3).children()]
    block = ["Linear", "BatchNorm1d", "ReLU"]
    assert kinds == ["Flatten", *block, *block, "Linear"]


def test_same_seed_gives_the_same_network_as_plain_torch() -> None:
    torch.manual_seed(0)
    ours = Mlp(hidden=(6,)).build((3, 4, 4), 5)
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Flatten(), nn.Linear(48, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 5)
    )
    images = torch.randn(7, 3, 4, 4)
    assert torch.equal(ours(images), plain(images))


def test_without_norm_there_is_no_batch_norm() -> None:
    model = Mlp(norm="none").build((1, 8, 8), 10)
    assert not any(isinstance(part, nn.BatchNorm1d) for part in model.modules())
    assert model(torch.randn(1, 1, 8, 8)).shape == (1, 10)


def test_no_hidden_layer_makes_a_linear_classifier() -> None:
    model = Mlp(hidden=()).build((1, 2, 2), 3)
    image, other = torch.randn(2, 1, 1, 2, 2)
    middle = model((image + other) / 2)
    torch.testing.assert_close(middle, (model(image) + model(other)) / 2)


def test_channels_last_images_are_flattened_in_the_same_order() -> None:
    model = Mlp(hidden=(4,)).build((3, 4, 4), 2).eval()
    images = torch.randn(2, 3, 4, 4)
    assert torch.equal(model(images), model(images.contiguous(memory_format=torch.channels_last)))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.hidden\[1\] must be 1 or more, got 0"):
        Mlp(hidden=(8, 0))
    with pytest.raises(ConfigError, match=r"unknown model\.norm 'bach'; did you mean 'batch'"):
        build(Mlp, {"norm": "bach"}, "model")
