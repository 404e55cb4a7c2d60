"""The small convolutional network adapts to the image and counts its weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.core.errors import ConfigError
from trainer.model._ghost import GhostBatchNorm2d
from trainer.model.cnn import Cnn


def num_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_weights_for_8x8_images_counted_by_hand() -> None:
    width, classes = 32, 10
    convs = 9 * (1 * width + width * width + width * 2 * width)
    norms = 2 * (width + width + 2 * width)
    linear = 2 * width * classes + classes
    assert num_parameters(Cnn().build((1, 8, 8), classes)) == convs + norms + linear == 28_842


@pytest.mark.parametrize(
    ("side", "poolings"), [(1, 0), (7, 0), (8, 1), (16, 2), (28, 2), (32, 3), (64, 4)]
)
def test_number_of_poolings_follows_the_image(side: int, poolings: int) -> None:
    model = Cnn(width=2).build((3, side, side), 5)
    assert sum(isinstance(part, nn.MaxPool2d) for part in model.modules()) == poolings
    assert model(torch.randn(2, 3, side, side)).shape == (2, 5)


def test_the_shorter_side_decides_and_channels_stop_at_eight_times_the_width() -> None:
    model = Cnn(width=2).build((1, 8, 200), 3)
    assert sum(isinstance(part, nn.MaxPool2d) for part in model.modules()) == 1
    convs = [p for p in Cnn(width=2).build((1, 128, 128), 3).modules() if isinstance(p, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [2, 2, 4, 4, 8, 8, 16, 16, 16, 16, 16]


def test_logits_do_not_depend_on_the_rest_of_the_batch_in_eval_mode() -> None:
    model = Cnn(width=4).build((1, 8, 8), 10).eval()
    images = torch.randn(5, 1, 8, 8)
    torch.testing.assert_close(model(images)[2:3], model(images[2:3]))


def test_nonlinearity_and_ghost_batches_reach_every_convolution() -> None:
    model = Cnn(width=2, act="gelu", ghost_batch=4).build((1, 8, 8), 10)
    parts = [part for part in model.modules() if not isinstance(part, nn.Sequential)]
    kinds = [nn.Conv2d, GhostBatchNorm2d, nn.GELU]
    assert [type(p) for p in parts[:6]] == kinds * 2
    assert [type(p) for p in parts[7:10]] == kinds
    assert sum(isinstance(p, nn.ReLU) for p in parts) == 0
    with pytest.raises(ConfigError, match=r"model\.ghost_batch must be 2 or more, got 1"):
        Cnn(ghost_batch=1)


@pytest.mark.parametrize("width", [0, -3])
def test_width_below_one_is_refused(width: int) -> None:
    with pytest.raises(ConfigError, match=rf"model\.width must be 1 or more, got {width}"):
        Cnn(width=width)
