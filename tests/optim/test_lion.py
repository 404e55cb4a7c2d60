"""Lion: every weight moves by the learning rate, whatever the size of its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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
from trainer.optim.lion import Lion, LionOptimizer


def test_three_steps_by_hand() -> None:
    gradients = [np.array([g]) for g in (2.0, -0.1, -3.0)]
    got = walk(Lion(betas=(0.5, 0.5)), OptimKeys(0.1), np.array([1.0]), gradients)
    # directions: 0.5 * 0 + 0.5 * 2 > 0; 0.5 * 1 - 0.05 > 0; 0.5 * 0.45 - 1.5 < 0
    assert got[:, 0] == pytest.approx([0.9, 0.8, 0.9], rel=1e-14)


def test_decay_by_hand() -> None:
    got = walk(Lion(), OptimKeys(0.1, 0.5), np.array([2.0]), [np.array([-1e-9])])
    assert got[0, 0] == pytest.approx(2.0 * 0.95 + 0.1, rel=1e-14)


def test_parity_with_the_paper_s_equations_over_200_steps() -> None:
    (*w, _), gradients = random_problem(200, (4, 3), (5,), ())
    m = [np.zeros_like(x) for x in (*w, np.zeros(()))]
    w = [*w, np.array(0.3)]
    got = walk_many(Lion(betas=(0.8, 0.95)), OptimKeys(0.01, 0.1), w, gradients)
    for t, step in enumerate(gradients):
        for i, g in enumerate(step):
            c = 0.8 * m[i] + (1 - 0.8) * g
            w[i] = w[i] - 0.01 * (np.sign(c) + 0.1 * w[i])
            m[i] = 0.95 * m[i] + (1 - 0.95) * g
        check_same(got[t], w, 1e-12)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.floats(1e-6, 1.0), st.floats(1e-20, 1e20), st.booleans())
def test_a_step_is_as_long_as_the_lr(lr: float, size: float, is_negative: bool) -> None:
    gradient = -size if is_negative else size
    got = walk(Lion(), OptimKeys(lr), np.zeros(1), [np.array([gradient])])
    assert got[0, 0] == -lr * np.sign(gradient)


def test_every_key_reaches_the_optimizer() -> None:
    keys = OptimKeys(0.2, 0.01)
    optimizer = Lion((0.8, 0.9)).build(one_group([nn.Parameter(torch.zeros(1))], keys), keys)
    assert type(optimizer) is LionOptimizer
    group = optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.2, 0.01, (0.8, 0.9))
    assert OPTIMIZERS.load("lion") is Lion


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"betas": [1.0, 0.99]}, r"optim\.betas\[0\] must be in \[0, 1\)"),
        ({"betas": [0.9, -0.1]}, r"optim\.betas\[1\] must be in \[0, 1\)"),
        ({"eps": 1e-8}, r"unknown key 'optim\.eps'"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    check_refused(Lion, values, message)
