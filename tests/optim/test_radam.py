"""RAdam: momentum alone until the variance is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.optim.paths import check_parity, check_reaches_torch, check_refused, walk
from trainer.core.errors import ConfigError
from trainer.optim.base import OptimKeys
from trainer.optim.radam import RAdam


def test_the_first_steps_are_momentum_with_its_bias_corrected() -> None:
    got = walk(RAdam(), OptimKeys(0.1), np.array([1.0]), [[2.0], [-1.0]])
    # m_hat = 2; then m = 0.9 * 0.2 - 0.1 = 0.08, m_hat = 0.08 / 0.19
    assert got[:, 0] == pytest.approx([0.8, 0.8 - 0.1 * 0.08 / 0.19], rel=1e-12)


def test_the_rectified_step_follows_the_paper() -> None:
    gradients = np.random.default_rng(0).normal(size=50)
    got = walk(RAdam(), OptimKeys(0.1), np.zeros(1), gradients[:, None])
    theta, m, v, longest = 0.0, 0.0, 0.0, 2.0 / (1.0 - 0.999) - 1.0
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        m_hat = m / (1.0 - 0.9**t)
        length = longest - 2.0 * t * 0.999**t / (1.0 - 0.999**t)
        if length > 5.0:
            top = (length - 4.0) * (length - 2.0) * longest
            rectified = (top / ((longest - 4.0) * (longest - 2.0) * length)) ** 0.5
            m_hat *= rectified * (1.0 - 0.999**t) ** 0.5 / (v**0.5 + 1e-8)
        theta -= 0.1 * m_hat
        assert got[t - 1, 0] == pytest.approx(theta, rel=1e-9)


def test_a_decay_that_there_is_none_of_cannot_be_decoupled() -> None:
    with pytest.raises(ConfigError, match=r"decoupled_weight_decay=true needs optim\.weight_decay"):
        walk(RAdam(decoupled_weight_decay=True), OptimKeys(0.1), np.zeros(1), [[1.0]])


def test_every_key_reaches_torch() -> None:
    wanted = {"betas": (0.8, 0.9), "eps": 1e-6, "decoupled_weight_decay": True}
    check_reaches_torch("radam", RAdam(**wanted), torch.optim.RAdam, wanted)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"betas": (0.5, 0.9)},
        {"eps": 0.1},
        {"decoupled_weight_decay": True},
    ],
)
def test_parity_with_torch_s_plain_loop(options: dict[str, object]) -> None:
    check_parity(RAdam(**options), torch.optim.RAdam, options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"betas": [1.0, 0.999]}, r"optim\.betas\[0\] must be in \[0, 1\)"),
        ({"betas": [0.9, -0.1]}, r"optim\.betas\[1\] must be in \[0, 1\)"),
        ({"eps": 0}, r"optim\.eps must be positive"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    check_refused(RAdam, values, message)
