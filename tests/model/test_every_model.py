"""What must hold for every network, whatever its name."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from tests.command import ROOT
from trainer.core.convert import build
from trainer.model.base import MODELS

CONF = ROOT / "conf" / "model"

# Small settings, so that the walk takes seconds.
SETTINGS: dict[str, dict[str, Any]] = {
    "airnet": {"width": 4},
    "cnn": {"width": 4},
    "resnet9": {"width": 4},
    "resnet50": {"width": 4},
    "wide_resnet": {"depth": 10, "widen_factor": 1},
    "torchvision": {"arch": "squeezenet1_1"},
}
NAMES = MODELS.names()
SHAPE = (3, 32, 32)


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build(MODELS.load(name), SETTINGS.get(name, {}), "model").build(SHAPE, 10)


def test_the_walk_finds_every_network() -> None:
    assert len(NAMES) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_the_yaml_holds_the_name_and_every_key_at_its_default(name: str) -> None:
    values = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert values.pop("name") == name
    component = MODELS.load(name)
    assert build(component, values, "model") == component()
    assert list(values) == [f.name for f in fields(component) if f.init]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_step_reaches_every_weight_under_autocast_in_channels_last(name: str) -> None:
    model = network(name).to(memory_format=torch.channels_last)
    images = torch.randn(2, *SHAPE).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(images)
    assert type(logits) is torch.Tensor
    assert logits.shape == (2, 10)
    assert logits.dtype == torch.bfloat16
    (logits.float() ** 2).sum().backward()
    # DistributedDataParallel waits forever for a trained weight without a gradient.
    trained = {key: p.grad for key, p in model.named_parameters() if p.requires_grad}
    assert [key for key, gradient in trained.items() if gradient is None] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in NAMES if n != "resnet110"])
def test_copies_in_float64_agree_in_eval_mode(name: str) -> None:
    model = network(name).eval()
    state = model.state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    double = copy.deepcopy(model).double()
    images = torch.randn(2, *SHAPE)
    with torch.no_grad():
        logits, exact = model(images), double(images.double())
    assert exact.dtype == torch.float64
    torch.testing.assert_close(logits, exact.float(), rtol=1e-3, atol=1e-4)
    assert torch.equal(model(images), logits)


@pytest.mark.parametrize("name", ["cnn", "resnet20", "wide_resnet", "torchvision"])
def test_initial_weights_follow_the_seed(name: str) -> None:
    first, second = network(name), network(name)
    other = build(MODELS.load(name), SETTINGS.get(name, {}), "model").build(SHAPE, 10)
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    pairs = zip(first.parameters(), other.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)
