"""SGD is torch's, built from our keys."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.optim.paths import one_group, walk
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.optim.base import OPTIMIZERS, OptimKeys
from trainer.optim.sgd import Sgd


def test_two_steps_with_nesterov_by_hand() -> None:
    got = walk(Sgd(0.5, nesterov=True), OptimKeys(0.1), np.array([1.0]), np.array([[2.0], [4.0]]))
    # v = 2, step 0.1 (2 + 0.5 * 2) = 0.3; then v = 5, step 0.1 (4 + 0.5 * 5) = 0.65
    assert got[:, 0] == pytest.approx([0.7, 0.05], rel=1e-14)


def test_weight_decay_by_hand() -> None:
    got = walk(
        Sgd(0.0, nesterov=False), OptimKeys(0.1, 0.5), np.array([2.0]), np.array([[1.0], [1.0]])
    )
    # 2 - 0.1 (1 + 0.5 * 2) = 1.8; 1.8 - 0.1 (1 + 0.5 * 1.8) = 1.61
    assert got[:, 0] == pytest.approx([1.8, 1.61], rel=1e-14)


@pytest.mark.parametrize("nesterov", [False, True])
def test_parity_with_the_equations_over_300_steps(nesterov: bool) -> None:
    rng = np.random.default_rng(0)
    w, v = rng.normal(size=5), np.zeros(5)
    gradients = rng.normal(size=(300, 5))
    got = walk(Sgd(0.9, nesterov), OptimKeys(0.05, 5e-4), w, gradients)
    for t, gradient in enumerate(gradients):
        g = gradient + 5e-4 * w
        v = 0.9 * v + g
        w = w - 0.05 * (g + 0.9 * v if nesterov else v)
        np.testing.assert_allclose(got[t], w, rtol=1e-12, atol=1e-14)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.floats(1e-6, 10.0), st.floats(-1e3, 1e3), st.floats(0.0, 0.99))
def test_the_first_step_is_lr_times_gradient_without_nesterov(lr, gradient, momentum) -> None:
    got = walk(Sgd(momentum, nesterov=False), OptimKeys(lr), np.zeros(1), np.array([[gradient]]))
    assert got[0, 0] == pytest.approx(-lr * gradient, rel=1e-14)


def test_every_key_reaches_torch() -> None:
    keys = OptimKeys(0.2, 0.01)
    optimizer = Sgd(0.8, nesterov=False).build(
        one_group([nn.Parameter(torch.zeros(1))], keys), keys
    )
    group = optimizer.param_groups[0]
    wanted = {"lr": 0.2, "momentum": 0.8, "nesterov": False, "weight_decay": 0.01}
    assert {key: group[key] for key in wanted} == wanted
    assert OPTIMIZERS.load("sgd") is Sgd


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"momentum": 1.0}, r"optim\.momentum must be in \[0, 1\)"),
        ({"momentum": -0.1}, r"optim\.momentum must be in \[0, 1\)"),
        (
            {"momentum": 0.0, "nesterov": True},
            r"optim\.nesterov=true needs optim\.momentum above 0",
        ),
        ({"momentum": "high"}, r"optim\.momentum must be a number, got 'high'"),
        ({"nesterov": 1}, r"optim\.nesterov must be true or false"),
        ({"momentun": 0.9}, r"optim\.momentun.*did you mean 'optim\.momentum'"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Sgd, values, "optim")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": 0.0}, r"optim\.lr must be positive"),
        ({"lr": -1}, r"optim\.lr must be positive"),
        ({"weight_decay": -1e-4}, r"optim\.weight_decay must be 0 or more"),
        ({"lr": float("nan")}, r"optim\.lr must be finite"),
    ],
)
def test_bad_shared_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(OptimKeys, values, "optim")


@pytest.mark.parametrize(("momentum", "wanted"), [(0.0, False), (0.9, True)])
def test_unasked_nesterov_is_where_there_is_a_momentum(momentum: float, wanted: bool) -> None:
    keys = OptimKeys(0.1)
    built = Sgd(momentum).build(one_group([nn.Parameter(torch.zeros(1))], keys), keys)
    assert built.param_groups[0]["nesterov"] is wanted
