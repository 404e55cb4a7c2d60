"""LAMB: Adam's direction at a length in proportion to the weights."""

from __future__ import annotations

import itertools

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
from trainer.optim.lamb import Lamb, LambOptimizer


def test_the_first_step_by_hand() -> None:
    gradient = np.array([[1e-3, -1e3]])
    got = walk(Lamb(eps=1e-12), OptimKeys(0.1), np.array([[3.0, 4.0]]), [gradient])
    # Adam's first direction is (1, -1), of norm sqrt 2; it is made 5 long, then times 0.1
    step = 0.5 / 2**0.5
    np.testing.assert_allclose(got[0], [[3.0 - step, 4.0 + step]], rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("adapt_vectors", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_parity_with_the_paper_s_equations_over_200_steps(adapt_vectors, decay) -> None:
    w, gradients = random_problem(200, (4, 3), (2, 3, 2, 2), (5,))
    lamb = Lamb((0.8, 0.95), eps=1e-4, adapt_vectors=adapt_vectors)
    got = walk_many(lamb, OptimKeys(0.1, decay), w, gradients)
    m, v = ([np.zeros_like(x) for x in w] for _ in range(2))
    for t, step in enumerate(gradients, 1):
        for i, g in enumerate(step):
            m[i] = 0.8 * m[i] + (1 - 0.8) * g
            v[i] = 0.95 * v[i] + (1 - 0.95) * g**2
            m_hat, v_hat = m[i] / (1 - 0.8**t), v[i] / (1 - 0.95**t)
            u = m_hat / (np.sqrt(v_hat) + 1e-4) + decay * w[i]
            ratio = np.sqrt(np.sum(w[i] ** 2)) / np.sqrt(np.sum(u**2))
            if w[i].ndim < 2 and not adapt_vectors:
                ratio = 1.0
            w[i] = w[i] - 0.1 * ratio * u
        check_same(got[t - 1], w, 1e-11)


def test_a_layer_s_step_is_lr_times_the_norm_of_its_weights() -> None:
    (w,), gradients = random_problem(20, (6, 4))
    path = [w, *(step[0] for step in walk_many(Lamb(), OptimKeys(0.01, 0.1), [w], gradients))]
    for before, after in itertools.pairwise(path):
        moved = np.linalg.norm(after - before) / np.linalg.norm(before)
        assert moved == pytest.approx(0.01, rel=1e-10)


def test_weights_of_zero_step_as_in_adam() -> None:
    got = walk(Lamb(eps=1e-12), OptimKeys(0.1), np.zeros((1, 2)), [np.array([[5.0, -2.0]])])
    np.testing.assert_allclose(got[0], [[-0.1, 0.1]], rtol=1e-8)


def test_every_key_reaches_the_optimizer() -> None:
    keys = OptimKeys(0.2, 0.01)
    lamb = Lamb((0.8, 0.9), 0.5, adapt_vectors=True)
    optimizer = lamb.build(one_group([nn.Parameter(torch.zeros(1))], keys), keys)
    assert type(optimizer) is LambOptimizer
    wanted = {"lr": 0.2, "weight_decay": 0.01, "betas": (0.8, 0.9), "eps": 0.5, "least_ndim": 0}
    assert {key: optimizer.param_groups[0][key] for key in wanted} == wanted
    assert OPTIMIZERS.load("lamb") is Lamb


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"betas": [1.0, 0.999]}, r"optim\.betas\[0\] must be in \[0, 1\)"),
        ({"eps": 0}, r"optim\.eps must be positive"),
        ({"adapt_vectors": 1}, r"optim\.adapt_vectors must be true or false"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    check_refused(Lamb, values, message)
