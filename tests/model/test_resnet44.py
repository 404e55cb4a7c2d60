"""ResNet-44 for CIFAR has the paper's size and depth."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.model.resnet44 import ResNet44


def test_weights_counted_by_hand_and_as_in_the_paper() -> None:
    with torch.device("meta"):
        model = ResNet44().build((3, 32, 32), 10)
    inner = 2 * 7 - 1  # convolutions of a stage after the one that widens
    total = (9 * 3 * 16 + 32) + (inner + 1) * (9 * 16 * 16 + 32)
    total += (9 * 16 * 32 + 64) + inner * (9 * 32 * 32 + 64)
    total += (9 * 32 * 64 + 128) + inner * (9 * 64 * 64 + 128) + (64 * 10 + 10)
    assert sum(p.numel() for p in model.parameters()) == total == 658_586
    assert total / 1e6 == pytest.approx(0.66, abs=0.005)  # table 6 of arXiv:1512.03385


def test_it_has_44_layers_and_shortcut_b_adds_two_projections() -> None:
    with torch.device("meta"):
        plain = ResNet44().build((3, 32, 32), 10)
        projected = ResNet44(shortcut="B").build((3, 32, 32), 10)
    layers = [p for p in plain.modules() if isinstance(p, (nn.Conv2d, nn.Linear))]
    assert len(layers) == 44
    extra = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    counts = [sum(p.numel() for p in model.parameters()) for model in (plain, projected)]
    assert counts[1] - counts[0] == extra


def test_unknown_shortcut_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown model\.shortcut 'C'; known: A, B"):
        build(ResNet44, {"shortcut": "C"}, "model")
