"""Adagrad: the step shrinks with all squared gradients so far."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.optim.paths import check_parity, check_reaches_torch, check_refused, walk
from trainer.optim.adagrad import Adagrad
from trainer.optim.base import OptimKeys


def test_two_steps_by_hand() -> None:
    got = walk(Adagrad(), OptimKeys(0.1), np.array([1.0]), [[3.0], [4.0]])
    # sums 9 and 25: steps 0.1 * 3 / 3 and 0.1 * 4 / 5
    assert got[:, 0] == pytest.approx([0.9, 0.82], rel=1e-9)


def test_what_the_sum_begins_with_by_hand() -> None:
    adagrad = Adagrad(initial_accumulator_value=16.0)
    got = walk(adagrad, OptimKeys(0.1), np.array([1.0]), [[3.0]])
    assert got[0, 0] == pytest.approx(1.0 - 0.1 * 3 / 5, rel=1e-9)


def test_every_key_reaches_torch() -> None:
    wanted = {"initial_accumulator_value": 0.3, "eps": 1e-6}
    check_reaches_torch("adagrad", Adagrad(**wanted), torch.optim.Adagrad, wanted)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"initial_accumulator_value": 0.5},
        {"eps": 0.1},
    ],
)
def test_parity_with_torch_s_plain_loop(options: dict[str, object]) -> None:
    check_parity(Adagrad(**options), torch.optim.Adagrad, options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"initial_accumulator_value": -1}, r"optim\.initial_accumulator_value must be 0 or more"),
        ({"eps": 0}, r"optim\.eps must be positive"),
        ({"lr_decay": 0.1}, r"unknown key 'optim\.lr_decay'"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    check_refused(Adagrad, values, message)
