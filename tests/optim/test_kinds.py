"""Kinds of parameters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.config.groups import REGISTRIES
from trainer.optim._kinds import KINDS, kinds_of


def by_name(model: nn.Module) -> dict[str, set[str]]:
    kinds = kinds_of(model)
    return {name: set(kinds[p]) for name, p in model.named_parameters()}


def test_kinds_by_hand() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.PReLU(), nn.Linear(4, 2))
    assert by_name(model) == {
        "0.weight": {"matrix", "first"},
        "0.bias": {"vector", "bias", "first"},
        "1.weight": {"vector", "norm"},
        "1.bias": {"vector", "bias", "norm"},
        "2.weight": {"vector"},
        "3.weight": {"matrix", "last"},
        "3.bias": {"vector", "bias", "last"},
    }


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm1d(4),
        nn.SyncBatchNorm(4),
        nn.InstanceNorm2d(4, affine=True),
        nn.GroupNorm(2, 4),
        nn.LayerNorm([2, 2]),
        nn.RMSNorm(4),
    ],
)
def test_every_normalisation_of_torch_is_one(norm: nn.Module) -> None:
    assert all("norm" in kinds for kinds in by_name(norm).values())


def test_attention_s_bias_is_one_and_its_input_weight_a_matrix() -> None:
    kinds = by_name(nn.MultiheadAttention(4, 2))
    assert kinds["in_proj_bias"] == {"bias", "vector"}
    assert kinds["in_proj_weight"] == {"matrix"}


def test_the_only_layer_is_the_first_and_the_last() -> None:
    assert by_name(nn.Linear(2, 2))["weight"] == {"matrix", "first", "last"}


def test_a_shared_weight_has_the_kinds_of_every_place() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 3))
    model[3].weight = model[0].weight
    assert by_name(model)["0.weight"] == {"matrix", "first", "last"}


@pytest.mark.parametrize("name", ["cnn", "mlp", "resnet20", "preact_resnet18", "resnet9"])
def test_our_networks_end_in_their_classifier(name: str) -> None:
    with torch.device("meta"):
        model = REGISTRIES["model"].load(name)().build((3, 32, 32), 7)
    kinds = by_name(model)
    last = {n for n, k in kinds.items() if {"last", "matrix"} <= k}
    assert [model.get_parameter(n).shape[0] for n in last] == [7]
    assert set().union(*kinds.values()) <= set(KINDS)
