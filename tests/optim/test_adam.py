"""Adam is that of the text's equations, bias correction included."""

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
from trainer.optim.adam import Adam
from trainer.optim.base import OPTIMIZERS, OptimKeys


def equations(
    w: np.ndarray, gradients: np.ndarray, *, lr: float, decay: float = 0.0, amsgrad: bool = False
) -> np.ndarray:
    """The text's Adam, line by line, with L2 decay and the greatest v of amsgrad."""
    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-8
    m, v, greatest = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    path = []
    for t, gradient in enumerate(gradients, 1):
        g = gradient + decay * w
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * np.power(g, 2)
        greatest = np.maximum(greatest, v)
        m_hat = m / (1 - np.power(beta_1, t))
        v_hat = (greatest if amsgrad else v) / (1 - np.power(beta_2, t))
        w = w - lr * m_hat / (np.sqrt(v_hat) + epsilon)
        path.append(w)
    return np.array(path)


def test_two_steps_by_hand() -> None:
    got = walk(Adam(), OptimKeys(0.1), np.array([1.0]), np.array([[2.0], [-1.0]]))
    # m_hat = 2, sqrt(v_hat) = 2; then m = 0.08, m_hat = 0.08 / 0.19, v = 0.004996, over 0.001999
    second = 0.1 * (0.08 / 0.19) / (0.004996 / 0.001999) ** 0.5
    assert got[:, 0] == pytest.approx([0.9, 0.9 - second], rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_parity_with_the_equations_over_1000_steps(decay: float, amsgrad: bool) -> None:
    rng = np.random.default_rng(1)
    start, gradients = rng.normal(size=6), rng.normal(size=(1_000, 6)) * [1e-3, 0.1, 1, 1, 10, 1e3]
    got = walk(Adam(amsgrad=amsgrad), OptimKeys(0.01, decay), start, gradients)
    expected = equations(start, gradients, lr=0.01, decay=decay, amsgrad=amsgrad)
    # the text's own equations hold to every weight's size; with decay one of them crosses zero
    atol = 1e-12 if decay else 0.0
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=atol)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.floats(1e-5, 1.0), st.floats(1e-2, 1e6), st.booleans())
def test_the_first_step_is_as_long_as_the_lr_whatever_the_gradient(lr, size, is_negative) -> None:
    gradient = -size if is_negative else size
    got = walk(Adam(), OptimKeys(lr), np.zeros(1), np.array([[gradient]]))
    assert got[0, 0] == pytest.approx(-lr * np.sign(gradient), rel=1e-5)


@settings(derandomize=True, max_examples=20, deadline=None)
@given(st.floats(0.1, 100.0), st.floats(0.0, 0.99), st.floats(0.0, 0.9999))
def test_bias_correction_makes_every_step_of_a_constant_gradient_equal(size, one, two) -> None:
    adam = Adam(betas=(one, two))  # the corrected means of a constant are that constant
    got = walk(adam, OptimKeys(0.1), np.zeros(1), np.full((20, 1), size))
    assert np.diff(got[:, 0], prepend=0.0) == pytest.approx([-0.1] * 20, rel=1e-6)


def test_every_key_reaches_torch() -> None:
    keys = OptimKeys(0.2, 0.01)
    adam = Adam(betas=(0.8, 0.9), eps=1e-6, amsgrad=True)
    group = adam.build(one_group([nn.Parameter(torch.zeros(1))], keys), keys).param_groups[0]
    wanted = {"lr": 0.2, "betas": (0.8, 0.9), "eps": 1e-6, "amsgrad": True, "weight_decay": 0.01}
    assert {key: group[key] for key in wanted} == wanted
    assert OPTIMIZERS.load("adam") is Adam


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"betas": [1.0, 0.999]}, r"optim\.betas\[0\] must be in \[0, 1\)"),
        ({"betas": [0.9, -0.1]}, r"optim\.betas\[1\] must be in \[0, 1\)"),
        ({"betas": [0.9]}, r"optim\.betas must be a list of a number, a number"),
        ({"eps": 0}, r"optim\.eps must be positive"),
        ({"amsgrad": "yes"}, r"optim\.amsgrad must be true or false"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Adam, values, "optim")
