"""Scores at any weights: by hand, and independent of where one was before."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from trainer.average._batch_norm import recompute
from trainer.core.errors import ConfigError
from trainer.core.units import Amount
from trainer.data.base import Batch
from trainer.study.flatness.landscape import Landscape
from trainer.study.flatness.settings import Amounts


def batch(images: torch.Tensor, labels: list[int]) -> Batch:
    return Batch(images, torch.tensor(labels), 2)


def test_a_score_by_hand() -> None:
    model = nn.Linear(1, 2, bias=False)
    one = [batch(torch.ones(1, 1), [0])]
    two = [batch(torch.ones(1, 1), [1]), batch(-torch.ones(2, 1), [1, 0])]
    landscape = Landscape(model, bn=[], train=one, test=two)
    for w in (0.5, -2.0):
        score = landscape.at(torch.tensor([w, 0.0], dtype=torch.float64))  # logits (w x, 0)
        assert score.train_loss == pytest.approx(math.log1p(math.exp(-w)), rel=1e-6)
        assert score.train_error == (0.0 if w > 0 else 1.0)
        up, down = math.log1p(math.exp(w)), math.log1p(math.exp(-w))
        assert score.test_loss == pytest.approx((2 * up + down) / 3, rel=1e-6)
        assert score.test_error == pytest.approx(2 / 3 if w > 0 else 1 / 3)
    assert landscape.counts() == {"train": 1, "bn": 0, "test": 3}


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2)
    )


def images(seed: int, num: int) -> torch.Tensor:
    return torch.randn(num, 1, 5, 5, generator=torch.Generator().manual_seed(seed)) + seed


def vector(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().double().reshape(-1) for p in model.parameters()])


def test_a_point_is_the_network_with_statistics_of_its_own_wherever_one_was_before() -> None:
    bn, train, test = [images(0, 8), images(1, 5)], images(2, 6), images(3, 4)
    landscape = Landscape(
        network(0),
        bn=bn,
        train=[batch(train, [0, 1, 0, 1, 0, 1])],
        test=[batch(test, [0, 1, 1, 0])],
    )
    other = network(1)
    expected = copy.deepcopy(other)
    recompute(expected, bn, expected, torch.clone)
    seen = landscape.at(vector(other))
    with torch.no_grad():
        loss = F.cross_entropy(expected(train), torch.tensor([0, 1, 0, 1, 0, 1]))
        wrong = (expected(test).argmax(1) != torch.tensor([0, 1, 1, 0])).float().mean()
    assert seen.train_loss == pytest.approx(float(loss), rel=1e-6)
    assert seen.test_error == float(wrong)
    landscape.at(vector(network(2)) * 30)
    assert landscape.at(vector(other)) == seen
    assert not landscape.model.training


def test_channels_last_weights_are_taken_in_their_logical_order() -> None:
    model = network(0).to(memory_format=torch.channels_last)
    landscape = Landscape(model, bn=[], train=[], test=[])
    plain = network(0)
    assert torch.equal(landscape.vector(model.state_dict(), "it"), vector(plain))


def test_weights_of_another_network_are_refused() -> None:
    landscape = Landscape(network(0), bn=[], train=[], test=[])
    wider = {**network(0).state_dict(), "4.weight": torch.zeros(3, 27)}
    with pytest.raises(ConfigError, match=r"there: weights of another network \(4\.weight is"):
        landscape.vector(wider, "there")
    with pytest.raises(ConfigError, match=r"0\.weight is missing"):
        landscape.vector({}, "there")


def test_no_images_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"--bn-images must be positive, got 0"):
        Amounts(bn=Amount(0, False))
