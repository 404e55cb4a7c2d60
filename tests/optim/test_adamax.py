"""Adamax: Adam with the greatest decayed gradient as the scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.optim.paths import check_parity, check_reaches_torch, check_refused, walk
from trainer.optim.adamax import Adamax
from trainer.optim.base import OptimKeys


def test_two_steps_by_hand() -> None:
    got = walk(Adamax(), OptimKeys(0.1), np.array([1.0]), [[2.0], [-1.0]])
    # m_hat = 2, u = 2; then m = 0.08, m_hat = 0.08 / 0.19, u = max(0.999 * 2, 1)
    second = 0.1 * (0.08 / 0.19) / 1.998
    assert got[:, 0] == pytest.approx([0.9, 0.9 - second], rel=1e-7)


def test_every_key_reaches_torch() -> None:
    wanted = {"betas": (0.8, 0.9), "eps": 1e-6}
    check_reaches_torch("adamax", Adamax(**wanted), torch.optim.Adamax, wanted)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"betas": (0.5, 0.9)},
        {"eps": 0.1},
    ],
)
def test_parity_with_torch_s_plain_loop(options: dict[str, object]) -> None:
    check_parity(Adamax(**options), torch.optim.Adamax, options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"betas": [1.0, 0.999]}, r"optim\.betas\[0\] must be in \[0, 1\)"),
        ({"betas": [0.9, -0.1]}, r"optim\.betas\[1\] must be in \[0, 1\)"),
        ({"eps": 0}, r"optim\.eps must be positive"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    check_refused(Adamax, values, message)
