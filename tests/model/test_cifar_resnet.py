"""The parts that the CIFAR residual networks share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.model._cifar_resnet import BasicBlock, ThinPad, cifar_resnet


def test_shortcut_a_keeps_every_second_pixel_and_adds_zero_channels() -> None:
    features = torch.arange(9.0).view(1, 1, 3, 3)
    kept = torch.tensor([[0.0, 2.0], [6.0, 8.0]])
    expected = torch.stack([kept, torch.zeros(2, 2)]).unsqueeze(0)
    assert torch.equal(ThinPad(1)(features), expected)


def test_a_block_whose_last_norm_is_zero_is_the_identity_on_what_a_relu_gave() -> None:
    block = BasicBlock(4, 4, "A")
    nn.init.zeros_(block.body[-1].weight)
    features = torch.randn(2, 4, 5, 5).relu()
    assert torch.equal(block(features), features)


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_a_widening_block_halves_the_map_rounding_up(shortcut: str) -> None:
    block = BasicBlock(4, 8, shortcut)
    assert block(torch.randn(2, 4, 7, 6)).shape == (2, 8, 4, 3)


def test_convolutions_are_drawn_with_two_over_fan_in() -> None:
    torch.manual_seed(0)
    model = cifar_resnet(20, "A", (3, 32, 32), 10)
    conv = model[-3].body[-2]
    assert conv.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 48)])
def test_other_image_shapes(shape: tuple[int, int, int]) -> None:
    assert cifar_resnet(8, "A", shape, 7)(torch.randn(2, *shape)).shape == (2, 7)
