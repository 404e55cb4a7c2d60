"""Wide residual networks have the paper's sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from trainer.core.errors import ConfigError
from trainer.model._preact import PreactBlock
from trainer.model.wide_resnet import WideResNet


def by_hand(depth: int, factor: int) -> int:
    blocks = (depth - 4) // 6
    total, c_in = 9 * 3 * 16, 16
    for c_out in (16 * factor, 32 * factor, 64 * factor):
        total += 9 * (c_in + (2 * blocks - 1) * c_out) * c_out  # 3x3 convolutions
        total += 2 * (c_in + (2 * blocks - 1) * c_out)  # the norms before them
        total += c_in * c_out if (c_in != c_out or c_out != 16 * factor) else 0  # projection
        c_in = c_out
    return total + 2 * c_in + c_in * 10 + 10


@pytest.mark.parametrize(
    ("depth", "factor", "millions"),
    [(28, 10, 36.5), (16, 4, 2.7), (16, 8, 11.0), (40, 4, 8.9), (40, 1, 0.6)],
)
def test_weights_counted_by_hand_and_as_in_the_paper(
    depth: int, factor: int, millions: float
) -> None:
    with torch.device("meta"):
        model = WideResNet(depth, factor).build((3, 32, 32), 10)
    num = sum(p.numel() for p in model.parameters())
    assert num == by_hand(depth, factor)
    assert num / 1e6 == pytest.approx(millions, abs=0.06)  # arXiv:1605.07146 and its code's page


def test_a_block_whose_last_convolution_is_zero_is_the_identity() -> None:
    model = WideResNet(10, 1).build((3, 32, 32), 10)
    block = next(part for part in model.modules() if isinstance(part, PreactBlock))
    nn.init.zeros_(block.body[-1].weight)
    features = torch.randn(2, 16, 8, 8)
    assert torch.equal(block(features), features)


def test_dropout_acts_in_training_only_and_zero_draws_no_random_number() -> None:
    images = torch.randn(2, 1, 8, 8)
    dropping = WideResNet(10, 1, dropout=0.5).build((1, 8, 8), 10)
    assert not torch.equal(dropping(images), dropping(images))
    dropping.eval()
    assert torch.equal(dropping(images), dropping(images))
    plain = WideResNet(10, 1).build((1, 8, 8), 10)
    before = torch.get_rng_state()
    plain(images)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 27}, r"model\.depth must be 6n \+ 4 .* got 27"),
        ({"depth": 4}, r"model\.depth must be 6n \+ 4 .* got 4"),
        ({"widen_factor": 0}, r"model\.widen_factor must be 1 or more, got 0"),
        ({"dropout": 1.0}, r"model\.dropout must be in \[0, 1\), got 1\.0"),
        ({"dropout": float("nan")}, r"model\.dropout must be in"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WideResNet(**settings)
