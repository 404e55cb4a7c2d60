"""Adadelta: steps as long as the root mean square of past steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.optim.paths import check_parity, check_reaches_torch, check_refused, walk
from trainer.optim.adadelta import Adadelta
from trainer.optim.base import OptimKeys


def test_two_steps_by_hand() -> None:
    adadelta = Adadelta(rho=0.5, eps=1.0)
    got = walk(adadelta, OptimKeys(1.0), np.array([0.0]), [[2.0], [1.0]])
    # squares 0.5 * 4 = 2: step sqrt(0 + 1) / sqrt(2 + 1) * 2
    first = 2.0 / 3.0**0.5
    # squares 0.5 * 2 + 0.5 * 1 = 1.5, steps 0.5 * 4 / 3: step sqrt(2 / 3 + 1) / sqrt(1.5 + 1) * 1
    second = (2.0 / 3.0 + 1.0) ** 0.5 / 2.5**0.5
    assert got[:, 0] == pytest.approx([-first, -first - second], rel=1e-12)


def test_every_key_reaches_torch() -> None:
    wanted = {"rho": 0.8, "eps": 1e-4}
    check_reaches_torch("adadelta", Adadelta(**wanted), torch.optim.Adadelta, wanted)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rho": 0.5},
        {"eps": 0.1},
    ],
)
def test_parity_with_torch_s_plain_loop(options: dict[str, object]) -> None:
    check_parity(Adadelta(**options), torch.optim.Adadelta, options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rho": 1.0}, r"optim\.rho must be in \[0, 1\)"),
        ({"eps": 0}, r"optim\.eps must be positive"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    check_refused(Adadelta, values, message)
