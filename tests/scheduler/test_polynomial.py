"""Polynomial decay follows PolynomialLR and ends at its floor."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import PolynomialLR

from tests.scheduler.trace import factors, torch_factors
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.scheduler.polynomial import Polynomial


def test_by_hand() -> None:
    assert factors(Polynomial(), 4) == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert factors(Polynomial(2.0), 2, min_lr="20%") == pytest.approx([1.0, 0.4, 0.2])


@pytest.mark.slow
@pytest.mark.parametrize("power", [1.0, 0.9, 3.0])
def test_parity_with_torch_over_10000_steps(power: float) -> None:
    make = partial(PolynomialLR, total_iters=10_000, power=power)
    got = factors(Polynomial(power), 10_000)
    assert got == pytest.approx(torch_factors(make, 10_001), rel=1e-9, abs=0)


def test_parity_with_torch_stepped_once_an_epoch() -> None:
    per_epoch = torch_factors(partial(PolynomialLR, total_iters=100, power=2.0), 101)
    got = factors(Polynomial(2.0), 2_000, 20, every="1ep")
    assert got == pytest.approx([per_epoch[t // 20] for t in range(2_001)], rel=1e-9, abs=0)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(1, 300), st.floats(0.1, 5.0), st.floats(0.0, 100.0))
def test_it_never_rises_and_ends_at_its_floor(total, power, percent) -> None:
    got = factors(Polynomial(power), total, min_lr=f"{percent!r}%")
    assert got[0] == 1.0
    assert got[-1] == pytest.approx(percent / 100, abs=1e-15)
    assert got == sorted(got, reverse=True)


def test_a_power_that_rises_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"scheduler\.power must be 0 or more"):
        build(Polynomial, {"power": -1.0}, "scheduler")
