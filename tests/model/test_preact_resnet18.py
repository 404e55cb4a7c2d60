"""The pre-activation ResNet-18 is that of the mixup paper's code."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from trainer.model._preact import PreactBlock
from trainer.model.preact_resnet18 import PreactResNet18


def test_weights_counted_by_hand() -> None:
    with torch.device("meta"):
        model = PreactResNet18().build((3, 32, 32), 10)
    total = 9 * 3 * 64 + 2 * 64 + 512 * 10 + 10
    for c_in, c_out in [(64, 64), (64, 128), (128, 256), (256, 512)]:
        total += 9 * (c_in * c_out + 3 * c_out * c_out) + 2 * (c_in + 3 * c_out)
        total += c_in * c_out if c_in != c_out else 0
    assert sum(p.numel() for p in model.parameters()) == total == 11_171_274


def test_block_equals_the_formula_with_the_shortcut_after_the_first_relu() -> None:
    block = PreactBlock(4, 4, 1, raw_identity=False).eval()
    features = torch.randn(2, 4, 6, 6)
    first, second = (part for part in block.body if isinstance(part, nn.Conv2d))
    unit = 1 / (1 + 1e-5) ** 0.5  # BatchNorm at its start: mean 0, variance 1, epsilon 1e-5
    active = F.relu(features * unit)
    expected = active + second(F.relu(first(active) * unit))
    torch.testing.assert_close(block(features), expected)


def test_a_raw_identity_hands_on_the_input() -> None:
    block = PreactBlock(4, 4, 1)
    nn.init.zeros_(block.body[-1].weight)
    features = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(features), features)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 40)])
def test_other_image_shapes(shape: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        assert PreactResNet18().build(shape, 7)(torch.randn(2, *shape)).shape == (2, 7)
