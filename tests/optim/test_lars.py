"""LARS: a layer's step is a share of its weights' norm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.optim.paths import (
    check_refused,
    check_same,
    one_group,
    random_problem,
    walk,
    walk_many,
)
from trainer.optim.base import OPTIMIZERS, OptimKeys
from trainer.optim.lars import Lars, LarsOptimizer

SHAPES = ((4, 3), (2, 3, 2, 2), (5,))


def test_two_steps_by_hand() -> None:
    lars = Lars(momentum=0.5, trust_coefficient=0.1)
    gradients = [np.array([[0.0, 10.0]]), np.array([[0.0, 0.0]])]
    got = walk(lars, OptimKeys(1.0, 0.0), np.array([[3.0, 4.0]]), gradients)
    # 0.1 * 5 / 10 * 10 = 0.5, the size of the gradient cancels; then momentum alone, 0.25
    np.testing.assert_allclose(got[:, 0], [[3.0, 3.5], [3.0, 3.25]], rtol=1e-14)


def test_decay_by_hand() -> None:
    lars = Lars(momentum=0.0, trust_coefficient=0.1)
    got = walk(lars, OptimKeys(1.0, 2.0), np.array([[3.0, 4.0]]), [np.array([[10.0, 0.0]])])
    # scale 0.1 * 5 / (10 + 2 * 5), of the direction (10 + 2 * 3, 2 * 4)
    np.testing.assert_allclose(got[0], [[3.0 - 0.025 * 16, 4.0 - 0.025 * 8]], rtol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("adapt_vectors", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_parity_with_the_paper_s_equations_over_200_steps(adapt_vectors, decay) -> None:
    w, gradients = random_problem(200, *SHAPES)
    lars = Lars(0.8, trust_coefficient=0.02, adapt_vectors=adapt_vectors)
    got = walk_many(lars, OptimKeys(0.1, decay), w, gradients)
    v = [np.zeros_like(x) for x in w]
    for t, step in enumerate(gradients):
        for i, g in enumerate(step):
            norm = np.sqrt(np.sum(w[i] ** 2))
            rate = 0.02 * norm / (np.sqrt(np.sum(g**2)) + decay * norm)
            if w[i].ndim < 2 and not adapt_vectors:
                rate = 1.0
            v[i] = 0.8 * v[i] + 0.1 * rate * (g + decay * w[i])
            w[i] = w[i] - v[i]
        check_same(got[t], w, 1e-12)


def test_zero_weights_and_zero_gradients_step_as_in_sgd() -> None:
    gradients = [[np.ones((2, 2)), np.zeros((2, 2))]]
    got = walk_many(Lars(), OptimKeys(0.1, 0.5), [np.zeros((2, 2)), np.ones((2, 2))], gradients)
    np.testing.assert_allclose(got[0][0], -0.1 * np.ones((2, 2)), rtol=1e-14)
    np.testing.assert_allclose(got[0][1], (1 - 0.1 * 0.5) * np.ones((2, 2)), rtol=1e-14)


def test_every_key_reaches_the_optimizer() -> None:
    keys = OptimKeys(0.2, 0.01)
    lars = Lars(0.8, 0.5, adapt_vectors=True)
    optimizer = lars.build(one_group([nn.Parameter(torch.zeros(1))], keys), keys)
    assert type(optimizer) is LarsOptimizer
    wanted = {"lr": 0.2, "weight_decay": 0.01, "momentum": 0.8, "trust": 0.5, "least_ndim": 0}
    assert {key: optimizer.param_groups[0][key] for key in wanted} == wanted
    assert OPTIMIZERS.load("lars") is Lars


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"momentum": 1.0}, r"optim\.momentum must be in \[0, 1\)"),
        ({"trust_coefficient": 0}, r"optim\.trust_coefficient must be positive"),
        ({"adapt_vectors": 1}, r"optim\.adapt_vectors must be true or false"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    check_refused(Lars, values, message)
