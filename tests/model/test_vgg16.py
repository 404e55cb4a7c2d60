"""VGG-16 for CIFAR is that of the SWA paper's code."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.model.vgg16 import Vgg16

# Configuration D of arXiv:1409.1556, table 1.
WIDTHS = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]


@pytest.mark.parametrize(("norm", "known"), [("batch", 15_253_578), ("none", 15_245_130)])
def test_weights_counted_by_hand(norm: str, known: int) -> None:
    with torch.device("meta"):
        model = build(Vgg16, {"norm": norm}, "model").build((3, 32, 32), 10)
    pairs = zip([3, *WIDTHS[:-1]], WIDTHS, strict=True)
    total = sum(9 * c_in * c_out + c_out for c_in, c_out in pairs)
    total += 2 * (512 * 512 + 512) + 512 * 10 + 10
    total += 2 * sum(WIDTHS) if norm == "batch" else 0
    assert sum(p.numel() for p in model.parameters()) == total == known


@pytest.mark.slow
def test_it_has_16_layers_and_larger_images_keep_the_weights() -> None:
    with torch.device("meta"):
        model, large = (Vgg16().build((3, side, side), 10) for side in (32, 96))
        assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)
        assert large(torch.randn(2, 3, 96, 96)).shape == (2, 10)
    assert len([p for p in model.modules() if isinstance(p, (nn.Conv2d, nn.Linear))]) == 16
    shapes = [[p.shape for p in net.parameters()] for net in (model, large)]
    assert shapes[0] == shapes[1]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown model\.norm 'batc'; did you mean 'batch'"):
        build(Vgg16, {"norm": "batc"}, "model")
    with pytest.raises(ConfigError, match=r"model\.dropout must be in \[0, 1\), got -0\.1"):
        Vgg16(dropout=-0.1)
    with pytest.raises(ConfigError, match=r"vgg16 needs images of 32x32 pixels or more.* 28x28"):
        Vgg16().build((1, 28, 28), 10)
