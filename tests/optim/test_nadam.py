"""NAdam: Adam that looks ahead along its momentum."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.optim.paths import check_parity, check_reaches_torch, check_refused, walk
from trainer.core.errors import ConfigError
from trainer.optim.base import OptimKeys
from trainer.optim.nadam import NAdam


def test_the_first_step_by_hand() -> None:
    got = walk(NAdam(momentum_decay=0.0), OptimKeys(0.1), np.array([1.0]), [[2.0]])
    # without the decay of the momentum mu is 0.45 at every step: m = 0.2, v_hat = 4;
    # gradient's part (1 - 0.45) * 2 / (1 - 0.45), momentum's 0.45 * 0.2 / (1 - 0.45^2)
    step = 0.1 * (2.0 + 0.45 * 0.2 / (1.0 - 0.45**2)) / 2.0
    assert got[0, 0] == pytest.approx(1.0 - step, rel=1e-8)


def test_a_decay_that_there_is_none_of_cannot_be_decoupled() -> None:
    with pytest.raises(ConfigError, match=r"decoupled_weight_decay=true needs optim\.weight_decay"):
        walk(NAdam(decoupled_weight_decay=True), OptimKeys(0.1), np.zeros(1), [[1.0]])


def test_every_key_reaches_torch() -> None:
    wanted = {
        "betas": (0.8, 0.9),
        "eps": 1e-6,
        "momentum_decay": 0.01,
        "decoupled_weight_decay": True,
    }
    check_reaches_torch("nadam", NAdam(**wanted), torch.optim.NAdam, wanted)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"betas": (0.5, 0.9)},
        {"eps": 0.1},
        {"momentum_decay": 0.1},
        {"decoupled_weight_decay": True},
    ],
)
def test_parity_with_torch_s_plain_loop(options: dict[str, object]) -> None:
    check_parity(NAdam(**options), torch.optim.NAdam, options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"betas": [1.0, 0.999]}, r"optim\.betas\[0\] must be in \[0, 1\)"),
        ({"betas": [0.9, -0.1]}, r"optim\.betas\[1\] must be in \[0, 1\)"),
        ({"eps": 0}, r"optim\.eps must be positive"),
        ({"momentum_decay": -1}, r"optim\.momentum_decay must be 0 or more"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    check_refused(NAdam, values, message)
