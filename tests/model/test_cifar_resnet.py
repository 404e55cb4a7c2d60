"""The CIFAR residual networks: their parts, and the sizes that the paper gives them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.model import MODELS
from trainer.model._cifar_resnet import BasicBlock, ResNet20, ThinPad

DEPTHS = (20, 32, 44, 56, 110)
SIZES = {  # parameters for CIFAR-10: ours, and in millions as in table 6 of arXiv:1512.03385
    20: (269_722, 0.27),
    32: (464_154, 0.46),
    44: (658_586, 0.66),
    56: (853_018, 0.85),
    110: (1_727_962, 1.7),
}


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
    model = ResNet20().build((3, 32, 32), 10)
    conv = model[-3].body[-2]
    assert conv.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 48)])
def test_other_image_shapes(shape: tuple[int, int, int]) -> None:
    model = ResNet20().build(shape, 7)
    assert model(torch.randn(2, *shape)).shape == (2, 7)


@pytest.mark.slow
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_zero_gamma_makes_every_block_the_relu_of_its_shortcut_and_moves_no_draw(
    depth: int, shortcut: str
) -> None:
    component = MODELS.load(f"resnet{depth}")
    models = []
    for zero_gamma in (True, False):
        torch.manual_seed(0)
        settings = {"shortcut": shortcut, "zero_gamma": zero_gamma}
        models.append(build(component, settings, "model").build((3, 8, 8), 10))
    pairs = zip(models[0].named_parameters(), models[1].parameters(), strict=True)
    changed = [name for (name, ours), theirs in pairs if not torch.equal(ours, theirs)]
    assert changed == [f"{i}.body.4.weight" for i in range(1, (depth - 2) // 2 + 1)]
    for block in models[0]:
        if isinstance(block, BasicBlock):
            features = torch.randn(2, block.body[0].in_channels, 3, 3)
            assert torch.equal(block(features), F.relu(block.shortcut(features)))


@pytest.mark.parametrize("depth", DEPTHS)
def test_weights_counted_by_hand_and_as_in_the_paper(depth: int) -> None:
    with torch.device("meta"):
        model = MODELS.load(f"resnet{depth}")().build((3, 32, 32), 10)
    inner = 2 * (depth - 2) // 6 - 1  # convolutions of a stage after the one that widens
    total = (9 * 3 * 16 + 32) + (inner + 1) * (9 * 16 * 16 + 32)
    total += (9 * 16 * 32 + 64) + inner * (9 * 32 * 32 + 64)
    total += (9 * 32 * 64 + 128) + inner * (9 * 64 * 64 + 128) + (64 * 10 + 10)
    ours, millions = SIZES[depth]
    assert sum(p.numel() for p in model.parameters()) == total == ours
    assert total / 1e6 == pytest.approx(millions, abs=0.05 if depth == 110 else 0.005)


@pytest.mark.slow
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_name_s_number_is_its_layers_and_shortcut_b_adds_two_projections(depth: int) -> None:
    component = MODELS.load(f"resnet{depth}")
    with torch.device("meta"):
        plain = component().build((3, 32, 32), 10)
        projected = component(shortcut="B").build((3, 32, 32), 10)
    assert sum(isinstance(p, (nn.Conv2d, nn.Linear)) for p in plain.modules()) == depth
    extra = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    counts = [sum(p.numel() for p in model.parameters()) for model in (plain, projected)]
    assert counts[1] - counts[0] == extra


def test_unknown_shortcut_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown model\.shortcut 'C'; known: A, B"):
        build(ResNet20, {"shortcut": "C"}, "model")
