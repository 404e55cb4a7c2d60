"""RMSprop: steps by the root of the mean squared gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.optim.paths import check_parity, check_reaches_torch, check_refused, walk
from trainer.optim.base import OptimKeys
from trainer.optim.rmsprop import RMSprop


def test_two_steps_by_hand() -> None:
    got = walk(RMSprop(alpha=0.5), OptimKeys(0.1), np.array([1.0]), [[2.0], [1.0]])
    # squares 0.5 * 4 = 2, then 0.5 * 2 + 0.5 * 1 = 1.5
    first = 1.0 - 0.1 * 2.0 / 2.0**0.5
    assert got[:, 0] == pytest.approx([first, first - 0.1 / 1.5**0.5], rel=1e-7)


def test_centered_with_momentum_by_hand() -> None:
    rmsprop = RMSprop(alpha=0.5, momentum=0.5, centered=True)
    got = walk(rmsprop, OptimKeys(0.1), np.array([1.0]), [[2.0], [1.0]])
    # variances 2 - 1^2 = 1, then 1.5 - 1^2 = 0.5; the steps add up with momentum 0.5
    first = 0.1 * 2.0
    second = 0.5 * first + 0.1 / 0.5**0.5
    assert got[:, 0] == pytest.approx([1.0 - first, 1.0 - first - second], rel=1e-7)


def test_every_key_reaches_torch() -> None:
    wanted = {"alpha": 0.8, "eps": 1e-6, "momentum": 0.5, "centered": True}
    check_reaches_torch("rmsprop", RMSprop(**wanted), torch.optim.RMSprop, wanted)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"alpha": 0.5},
        {"eps": 0.1},
        {"momentum": 0.9},
        {"centered": True},
    ],
)
def test_parity_with_torch_s_plain_loop(options: dict[str, object]) -> None:
    check_parity(RMSprop(**options), torch.optim.RMSprop, options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": 1.0}, r"optim\.alpha must be in \[0, 1\)"),
        ({"eps": 0}, r"optim\.eps must be positive"),
        ({"momentum": -0.5}, r"optim\.momentum must be in \[0, 1\)"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    check_refused(RMSprop, values, message)
