"""torchcontrib's automatic mode, step by step: its lr switch, its off-by-one, its mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.average.trajectory import (
    TOTAL,
    averaged,
    keys,
    module_with,
    plan_for,
    put,
    resumed,
    walk,
    weights_of,
)
from tests.command import TINY, Call
from trainer.average.base import AVERAGES
from trainer.average.swa_torchcontrib import SwaTorchcontrib
from trainer.core.clock import Clock
from trainer.core.errors import ConfigError

Vector = NDArray[np.float64]


class Model:
    """`torchcontrib.optim.SWA(SGD)` with swa_start, swa_freq and swa_lr given, in NumPy.

    Of its `step`: the lr is set to swa_lr if step_counter >= swa_start, the optimizer steps, the
    counter goes up, and the average is updated if the counter > swa_start and is divisible by
    swa_freq.
    """

    def __init__(self, weights: Vector, lr: float, start: int, freq: int, swa_lr: float) -> None:
        self.weights, self.lr = weights.copy(), lr
        self.start, self.freq, self.swa_lr = start, freq, swa_lr
        self.step_counter = 0
        self.num_averaged = 0
        self.buffer = np.zeros_like(weights)

    def step(self, gradient: Vector) -> None:
        if self.step_counter >= self.start:
            self.lr = self.swa_lr
        self.weights = self.weights - self.lr * gradient
        self.step_counter += 1
        if self.step_counter > self.start and self.step_counter % self.freq == 0:
            self.buffer += (self.weights - self.buffer) / (self.num_averaged + 1)
            self.num_averaged += 1


@pytest.mark.slow
@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(0, 25), st.integers(1, 15), st.integers(0, 1_000))
def test_it_agrees_with_torchcontrib_at_every_step(start: int, freq: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    oracle = Model(generator.normal(size=3), lr=0.1, start=start, freq=freq, swa_lr=0.05)
    swa = SwaTorchcontrib()
    model = module_with(torch.from_numpy(oracle.weights))
    average = swa.build(model, plan_for(swa, f"{start}st", f"{freq}st"))
    for step in range(1, TOTAL + 1):
        oracle.step(generator.normal(size=3))
        put(model, torch.from_numpy(oracle.weights))
        average.update(model, Clock(step, TOTAL, 10))
        got = weights_of(average.eval_model())
        if oracle.num_averaged:
            np.testing.assert_allclose(got, oracle.buffer, rtol=1e-12, atol=1e-14)
        else:
            assert got is None
    assert oracle.num_averaged >= 1


@pytest.mark.parametrize(
    ("start", "every", "due"),
    [
        (12, 5, [15, 20, 25, 30, 35, 40]),  # average=swa: 17, 22, ...
        (10, 5, [15, 20, 25, 30, 35, 40]),  # the text's own: not at step 10
        (9, 10, [10, 20, 30, 40]),
        (0, 40, [40]),
    ],
)
def test_snapshots_by_hand(start: int, every: int, due: list[int]) -> None:
    plan = plan_for(SwaTorchcontrib(), f"{start}st", f"{every}st")
    assert [t for t in range(TOTAL + 1) if plan.is_due(t)] == due


@pytest.mark.parametrize("stop", [0, 14, 15, 33])
def test_saved_and_loaded_at_any_step_it_goes_on_bit_for_bit(stop: int) -> None:
    swa, weights = SwaTorchcontrib(), walk(4, dtype=torch.float32)
    plan = plan_for(swa, "12st", "5st")
    assert np.array_equal(resumed(swa, plan, weights, stop), averaged(swa, plan, weights))


@pytest.mark.parametrize(
    ("start", "every", "message"),
    [
        ("1ep", "5st", r"average\.start=1ep: torchcontrib counts in optimizer steps"),
        ("10st", "10%", r"average\.every=10%: .*write average\.every=300st"),
        ("10st", "0st", r"average\.every=0st: the least is 1st"),
    ],
)
def test_other_units_than_steps_are_refused(start: str, every: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SwaTorchcontrib().check(keys(start, every))


def test_an_average_that_the_run_never_reaches_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"first snapshot after step 45, but the run has 40"):
        plan_for(SwaTorchcontrib(), "36st", "15st")


@pytest.mark.slow
def test_the_command_line_refuses_before_any_data_is_read(call: Call) -> None:
    outcome = call(*TINY, "average=swa_torchcontrib", "average.start=1ep", "data.root=nowhere")
    assert outcome.code == 2
    assert "average.start=1ep: torchcontrib counts in optimizer steps" in outcome.err


def test_the_name_loads_the_class() -> None:
    assert AVERAGES.load("swa_torchcontrib") is SwaTorchcontrib
