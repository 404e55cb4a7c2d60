"""Muon: orthogonal steps for matrices, another optimizer for the rest, in one class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.optim.paths import check_refused, check_same, one_group, random_problem, walk_many
from tests.optim.test_newton_schulz import by_numpy
from trainer.core.errors import ConfigError
from trainer.optim._groups import parameter_groups
from trainer.optim.base import OPTIMIZERS, OptimKeys, ParameterGroup
from trainer.optim.muon import Muon, MuonOptimizer, factor, product_dtype

SHAPES = ((4, 6), (5, 3, 2, 2), (6, 4), (5,))
ADAM = {"betas": (0.8, 0.95), "eps": 1e-4}


def small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(6, 3)
    )


def names_by(muon: Muon, model: nn.Module) -> dict[str, list[str]]:
    """Return the names of parameters by what moves them."""
    names = {p: name for name, p in model.named_parameters()}
    keys = OptimKeys(0.1)
    optimizer = muon.build(parameter_groups(model, keys), keys)
    return {g["by"]: [names[p] for p in g["params"]] for g in optimizer.param_groups}


def transcription(
    w: list[np.ndarray], gradients: list[list[np.ndarray]], muon: Muon, keys: OptimKeys
) -> list[list[np.ndarray]]:
    """Muon of the post, AdamW and SGD, one tensor at a time."""
    w = list(w)
    m, v = ([np.zeros_like(x) for x in w] for _ in range(2))
    path = []
    for t, step in enumerate(gradients, 1):
        for i, g in enumerate(step):
            lr = keys.lr if g.ndim >= 2 else muon.other_lr
            w[i] = w[i] * (1 - lr * keys.weight_decay)
            if g.ndim < 2 and muon.other == "adamw":
                m[i] = muon.betas[0] * m[i] + (1 - muon.betas[0]) * g
                v[i] = muon.betas[1] * v[i] + (1 - muon.betas[1]) * g**2
                m_hat, v_hat = m[i] / (1 - muon.betas[0] ** t), v[i] / (1 - muon.betas[1] ** t)
                w[i] = w[i] - lr * m_hat / (np.sqrt(v_hat) + muon.eps)
                continue
            rho = muon.momentum if g.ndim >= 2 else muon.other_momentum
            m[i] = rho * m[i] + g
            u = g + rho * m[i] if muon.nesterov is not False else m[i]
            if g.ndim >= 2:
                rows, columns = g.shape[0], g[0].size
                scale = max(1.0, rows / columns) ** 0.5
                if muon.adjust == "match_rms_adamw":
                    scale = 0.2 * max(rows, columns) ** 0.5
                u = scale * by_numpy(u.reshape(rows, columns), muon.ns_steps).reshape(g.shape)
            w[i] = w[i] - lr * u
        path.append(list(w))
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        ADAM,
        {"nesterov": False, "ns_steps": 3},
        {"adjust": "match_rms_adamw", "momentum": 0.8},
        {"other": "sgd", "other_momentum": 0.7, "other_lr": 0.01},
        {"other": "sgd", "other_momentum": 0.7, "nesterov": False},
    ],
)
def test_parity_with_a_transcription_over_60_steps(options: dict[str, Any]) -> None:
    w, gradients = random_problem(60, *SHAPES)
    muon, keys = Muon(**options), OptimKeys(0.02, 0.1)
    expected = transcription(w, gradients, muon, keys)
    for got, wanted in zip(walk_many(muon, keys, w, gradients), expected, strict=True):
        check_same(got, wanted, 1e-10)


def test_parity_with_torch_s_muon_on_a_matrix() -> None:
    (start,), gradients = random_problem(20, (6, 10))
    ours, theirs = (nn.Parameter(torch.tensor(start, dtype=torch.float32)) for _ in range(2))
    keys = OptimKeys(0.02, 0.1)
    mine = Muon(ns_dtype="bf16").build(one_group([ours], keys), keys)
    reference = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, momentum=0.95)
    for (gradient,) in gradients:
        for weight in (ours, theirs):
            weight.grad = torch.tensor(gradient, dtype=torch.float32)
        mine.step()
        reference.step()
    # both round to bfloat16, in another order: steps differ by about a hundredth of their size
    assert (ours - theirs).norm() < 0.03 * (theirs - torch.tensor(start)).norm()


def test_what_is_no_matrix_and_the_last_layer_are_left_to_the_other() -> None:
    others = ["0.bias", "1.weight", "1.bias", "2.bias", "4.bias"]
    found = names_by(Muon(), small())
    assert found == {"muon": ["0.weight", "2.weight"], "adamw": [*others[:4], "4.weight", "4.bias"]}
    assert names_by(Muon(layers="hidden", other="sgd"), small())["muon"] == ["2.weight"]
    assert names_by(Muon(layers="all"), small())["muon"] == ["0.weight", "2.weight", "4.weight"]


def test_a_matrix_of_a_norm_is_none() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm([2, 2]), nn.Linear(4, 2))
    assert names_by(Muon(), model)["muon"] == ["0.weight"]


def test_matrices_come_first_and_each_group_keeps_its_own_rates() -> None:
    keys = OptimKeys(0.1, 0.5)
    (main,) = parameter_groups(small(), keys)
    groups = [
        ParameterGroup("slow", main.members[:4], 0.1, 0.5),  # the first convolution and the norm
        ParameterGroup("fast", main.members[4:], 0.3, 0.0),
    ]
    optimizer = Muon(other_lr=0.01).build(groups, keys)
    found = [(g["name"], g["by"], g["lr"], g["weight_decay"]) for g in optimizer.param_groups]
    assert found[:2] == [("slow", "muon", 0.1, 0.5), ("fast", "muon", 0.3, 0.0)]
    assert found[2] == ("slow, adamw", "adamw", 0.01, 0.5)
    assert found[3] == ("fast, adamw", "adamw", pytest.approx(0.03), 0.0)


def test_a_model_without_a_matrix_for_it_is_refused() -> None:
    keys = OptimKeys(0.1)
    with pytest.raises(ConfigError, match=r"optim\.layers=not_last has no matrix to move"):
        Muon().build(parameter_groups(nn.Linear(3, 2), keys), keys)
    Muon(layers="all").build(parameter_groups(nn.Linear(3, 2), keys), keys)


def test_factors_by_hand() -> None:
    assert factor("original", 4, 9) == 1.0
    assert factor("original", 36, 9) == 2.0
    assert factor("match_rms_adamw", 4, 25) == pytest.approx(1.0)


def test_where_the_products_are_bfloat16() -> None:
    weight = torch.zeros(2, 2)
    assert product_dtype("auto", weight) is None
    assert product_dtype("weights", weight) is None
    assert product_dtype("bf16", weight) == torch.bfloat16


def test_every_key_reaches_the_optimizer() -> None:
    keys = OptimKeys(0.2, 0.01)
    muon = Muon(0.8, nesterov=False, ns_steps=3, adjust="match_rms_adamw", other_lr=0.5, **ADAM)
    weights = [nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(2))]
    optimizer = muon.build(one_group(weights, keys), keys)
    assert type(optimizer) is MuonOptimizer
    matrices, others = optimizer.param_groups
    wanted = {"lr": 0.2, "weight_decay": 0.01, "momentum": 0.8, "nesterov": False, "ns_steps": 3}
    assert {key: matrices[key] for key in wanted} == wanted
    assert {key: others[key] for key in ("lr", "betas", "eps")} == {"lr": 0.5, **ADAM}
    sgd = Muon(other="sgd", other_momentum=0.6).build(one_group(weights, keys), keys)
    assert sgd.param_groups[1]["momentum"] == 0.6
    assert OPTIMIZERS.load("muon") is Muon


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"momentum": 1.0}, r"optim\.momentum must be in \[0, 1\)"),
        (
            {"momentum": 0.0, "nesterov": True},
            r"optim\.nesterov=true needs optim\.momentum above 0",
        ),
        ({"other_momentum": -1}, r"optim\.other_momentum must be in \[0, 1\)"),
        ({"ns_steps": 0}, r"optim\.ns_steps must be at least 1"),
        ({"ns_dtype": "fp8"}, r"unknown optim\.ns_dtype 'fp8'"),
        ({"layers": "some"}, r"unknown optim\.layers 'some'"),
        ({"other": "adam"}, r"unknown optim\.other 'adam'.*adamw"),
        ({"other_lr": 0}, r"optim\.other_lr must be positive"),
        ({"eps": 0}, r"optim\.eps must be positive"),
        ({"betas": [0.9, 1.0]}, r"optim\.betas\[1\] must be in \[0, 1\)"),
        ({"other": "sgd", "eps": 1e-6}, r"optim\.eps belongs to optim\.other=adamw"),
        ({"other_momentum": 0.5}, r"optim\.other_momentum belongs to optim\.other=sgd"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    check_refused(Muon, values, message)
