"""What a network costs is counted by hand, as papers publish it, and stage by stage."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.model.test_every_model import NAMES, network
from trainer.task._plan_cost import MOST_STAGES, cost_of, without_fast_path

SHAPE = (3, 32, 32)


def test_multiply_adds_by_hand() -> None:
    dense = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    cost = cost_of(dense, (1, 8, 8))
    assert cost.multiply_adds == 64 * 8 + 8 * 10
    assert [(s.name, s.num_parameters, s.multiply_adds, s.output) for s in cost.stages] == [
        ("1", 64 * 8 + 8, 64 * 8, (8,)),
        ("3", 8 * 10 + 10, 8 * 10, (10,)),
    ]
    assert cost.activation_bytes == 4 * (64 + 8 + 8 + 10)
    # 3x3 kernels over 3 channels, at 3x3 places, for 4 channels
    conv = nn.Conv2d(3, 4, 3)
    assert cost_of(conv, (3, 5, 5)).multiply_adds == 3 * 3 * 3 * (3 * 3) * 4
    assert cost_of(conv.double(), (3, 5, 5)).multiply_adds == 972


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in NAMES if n != "resnet110"])
def test_a_network_costs_what_torch_counts_and_its_stages_add_up(name: str) -> None:
    model = network(name)
    cost = cost_of(model, SHAPE)
    # torch does not count attention that runs as one operation
    whole = sdpa_kernel(SDPBackend.MATH)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), without_fast_path(), whole:
        model.eval()(torch.zeros(1, *SHAPE))
    assert cost.multiply_adds == counter.get_total_flops() // 2
    assert sum(stage.multiply_adds for stage in cost.stages) == cost.multiply_adds
    assert 2 <= len(cost.stages) <= MOST_STAGES
    in_stages = sum(stage.num_parameters for stage in cost.stages)
    assert in_stages <= sum(p.numel() for p in model.parameters())


def test_nothing_of_the_network_changes() -> None:
    model = network("resnet20")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    generator = torch.get_rng_state()
    cost_of(model, SHAPE)
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), generator)
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.slow
def test_multiply_adds_of_resnet_50_are_the_published_ones() -> None:
    from torchvision.models import resnet50

    with torch.device("meta"):
        model = resnet50()
    assert round(cost_of(model, (3, 224, 224)).multiply_adds / 1e9, 2) == 4.09  # torchvision's page
