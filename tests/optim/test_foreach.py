"""Optimizers of our own: their state, their resumption, what they leave alone."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import nn

from tests.optim.paths import one_group
from trainer.optim.base import Optim, OptimKeys
from trainer.optim.lamb import Lamb
from trainer.optim.lars import Lars
from trainer.optim.lion import Lion
from trainer.optim.muon import Muon

OURS = [Lion(), Lars(), Lamb(), Muon(), Muon(other="sgd")]
KEYS = OptimKeys(0.02, 0.1)


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(3)
    shapes = ((4, 3), (6, 2, 3, 3), (5,))
    made = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    made[1].data = made[1].data.to(memory_format=torch.channels_last)
    return made


def steps(optimizer: torch.optim.Optimizer, weights: list[nn.Parameter], first: int) -> None:
    """Take five steps along gradients that depend on the step."""
    for step in range(first, first + 5):
        generator = torch.Generator().manual_seed(step)
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


@pytest.mark.parametrize("component", OURS, ids=str)
def test_a_resumed_optimizer_goes_on_bit_for_bit(component: Optim) -> None:
    weights = parameters()
    optimizer = component.build(one_group(weights, KEYS), KEYS)
    steps(optimizer, weights, 0)
    saved = through_a_file(optimizer.state_dict())
    resumed = [nn.Parameter(weight.detach().clone()) for weight in weights]
    steps(optimizer, weights, 5)

    again = component.build(one_group(resumed, KEYS), KEYS)
    again.load_state_dict(saved)
    steps(again, resumed, 5)
    assert all(torch.equal(a, b) for a, b in zip(weights, resumed, strict=True))


@pytest.mark.parametrize("component", OURS, ids=str)
def test_a_weight_without_a_gradient_keeps_its_value_and_gets_no_state(component: Optim) -> None:
    weights = parameters()
    before = [weight.detach().clone() for weight in weights]
    optimizer = component.build(one_group(weights, KEYS), KEYS)
    weights[0].grad = torch.ones_like(weights[0])
    optimizer.step()
    assert not torch.equal(weights[0], before[0])
    assert torch.equal(weights[1], before[1])
    assert list(optimizer.state) == [weights[0]]


@pytest.mark.parametrize("component", OURS, ids=str)
def test_gradients_are_left_as_they_are(component: Optim) -> None:
    weights = parameters()
    steps(component.build(one_group(weights, KEYS), KEYS), weights, 0)
    generator = torch.Generator().manual_seed(4)
    for weight in weights:
        assert torch.equal(weight.grad, torch.randn(weight.shape, generator=generator))


def test_a_closure_s_loss_comes_back_with_gradients_on() -> None:
    (weight, *_) = parameters()
    optimizer = Lion().build(one_group([weight], KEYS), KEYS)

    def closure() -> torch.Tensor:
        loss = weight.square().sum()
        loss.backward()
        return loss.detach()

    before = weight.detach().square().sum()
    assert float(optimizer.step(closure)) == float(before)
    assert weight.detach().square().sum() < before
