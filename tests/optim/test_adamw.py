"""AdamW: Adam whose decay is no part of the gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.optim.paths import check_parity, check_reaches_torch, check_refused, walk
from trainer.optim.adamw import AdamW
from trainer.optim.base import OptimKeys


def test_two_steps_by_hand() -> None:
    got = walk(AdamW(), OptimKeys(0.1, 0.5), np.array([1.0]), [[2.0], [-1.0]])
    # first shrink by 1 - 0.1 * 0.5, then Adam's step of the bare gradient: -0.1, then +
    first = 1.0 * 0.95 - 0.1
    second = first * 0.95 - 0.1 * (0.08 / 0.19) / (0.004996 / 0.001999) ** 0.5
    assert got[:, 0] == pytest.approx([first, second], rel=1e-8)


def test_every_key_reaches_torch() -> None:
    wanted = {"betas": (0.8, 0.9), "eps": 1e-6, "amsgrad": True}
    check_reaches_torch("adamw", AdamW(**wanted), torch.optim.AdamW, wanted)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"betas": (0.5, 0.9)},
        {"eps": 0.1},
        {"amsgrad": True},
    ],
)
def test_parity_with_torch_s_plain_loop(options: dict[str, object]) -> None:
    check_parity(AdamW(**options), torch.optim.AdamW, options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"betas": [1.0, 0.999]}, r"optim\.betas\[0\] must be in \[0, 1\)"),
        ({"betas": [0.9, -0.1]}, r"optim\.betas\[1\] must be in \[0, 1\)"),
        ({"eps": 0}, r"optim\.eps must be positive"),
        ({"amsgrad": "yes"}, r"optim\.amsgrad must be true or false"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    check_refused(AdamW, values, message)
