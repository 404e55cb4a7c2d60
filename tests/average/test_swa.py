"""SWA is the plain mean of the weights at the planned steps: three variants, each against NumPy."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.average.trajectory import TOTAL, averaged, module_with, plan_for, resumed, walk
from trainer.average.base import AVERAGES, AverageKeys, SnapshotPlan
from trainer.average.swa import Swa
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError


def test_by_hand() -> None:
    weights = torch.tensor([[9.0] * 3, [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [5.0, 5.0, 5.0]])
    assert averaged(Swa(), SnapshotPlan(0, 1), weights).tolist() == pytest.approx(
        [3, 3, 3], rel=1e-6
    )
    assert averaged(Swa(), SnapshotPlan(1, 2), weights).tolist() == [5.0, 5.0, 5.0]


@pytest.mark.slow
@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(0, TOTAL), st.integers(1, TOTAL), st.integers(0, 1_000))
def test_it_is_the_mean_of_the_snapshots_at_exactly_the_planned_steps(start, every, seed) -> None:
    weights = walk(seed)
    taken = [t for t in range(TOTAL + 1) if t > start and (t - start) % every == 0]
    got = averaged(Swa(), SnapshotPlan(start, every), weights)
    if not taken:
        assert got is None
    else:
        np.testing.assert_allclose(got, weights[taken].numpy().mean(0), rtol=1e-12, atol=1e-13)


def test_with_the_initial_weights_it_is_algorithm_1_of_the_text() -> None:
    weights = walk(1)
    swa = weights[0].numpy()
    for n_models in range(1, TOTAL + 1):
        swa = (swa * n_models + weights[n_models].numpy()) / (n_models + 1)
    algorithm_1 = Swa(include_init=True)
    got = averaged(algorithm_1, plan_for(algorithm_1, "0st", "1st"), weights)
    np.testing.assert_allclose(got, swa, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(got, weights.numpy().mean(0), rtol=1e-12, atol=1e-13)


@pytest.mark.slow
@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(0, 20), st.integers(1, 20), st.booleans(), st.integers(0, 1_000))
def test_the_weights_that_averaging_starts_from_count_if_asked(
    start, every, include_init, seed
) -> None:
    """Algorithm 1 begins with given weights: those of step `start`, whatever came before."""
    swa, weights = Swa(include_init), walk(seed)
    taken = list(range(start if include_init else start + every, TOTAL + 1, every))
    got = averaged(swa, plan_for(swa, f"{start}st", f"{every}st"), weights)
    np.testing.assert_allclose(got, weights[taken].numpy().mean(0), rtol=1e-12, atol=1e-13)


def test_with_the_initial_weights_there_is_an_average_before_the_first_step() -> None:
    swa, model = Swa(include_init=True), module_with(walk()[0])
    begun = swa.build(model, plan_for(swa, "0st", "5st"))
    assert begun.eval_model() is not None
    assert swa.build(model, plan_for(swa, "1st", "5st")).eval_model() is None
    assert Swa().build(model, plan_for(Swa(), "0st", "5st")).eval_model() is None


def test_parity_with_torch() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()
    oracle = torch.optim.swa_utils.AveragedModel(model)
    average = Swa().build(model, SnapshotPlan(0, 1))
    for step in range(1, 8):
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.full_like(p, 0.1 * step))
        average.update(model, Clock(step, TOTAL, 10))
        oracle.update_parameters(model)
    got = average.eval_model()
    assert got is not None
    for mine, theirs in zip(got.parameters(), oracle.module.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-13)


def test_the_training_model_is_never_touched() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).train()
    before = copy.deepcopy(model.state_dict())
    average = Swa().build(model, SnapshotPlan(0, 1))
    for step in (1, 2):
        average.update(model, Clock(step, TOTAL, 10))
    result = average.eval_model()
    assert result is not None
    assert result is not model
    assert not any(p.requires_grad for p in result.parameters())
    assert not result.training
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    mine = {p.data_ptr() for p in result.parameters()}
    assert mine.isdisjoint(p.data_ptr() for p in model.parameters())


@pytest.mark.parametrize("include_init", [False, True])
@pytest.mark.parametrize("stop", [0, 5, 10, 11, 23])
def test_saved_and_loaded_at_any_step_it_goes_on_bit_for_bit(include_init: bool, stop: int) -> None:
    swa, weights = Swa(include_init), walk(2, dtype=torch.float32)
    plan = plan_for(swa, "10st", "3st")
    straight = averaged(swa, plan, weights)
    assert np.array_equal(resumed(swa, plan, weights, stop), straight)


def test_buffers_of_the_average_are_loaded_too() -> None:
    model = nn.BatchNorm1d(2)
    average = Swa().build(model, SnapshotPlan(0, 1))
    average.update(model, Clock(1, TOTAL, 10))
    saved = {k: v + 1 for k, v in model.state_dict().items()}
    average.load_state_dict({"count": 4, "sums": []}, saved)
    result = average.eval_model()
    assert result is not None
    assert all(torch.equal(v, saved[k]) for k, v in result.state_dict().items())
    assert average.state_dict() == {"count": 4, "sums": []}


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (Swa, {"include_init": "yes"}, r"average\.include_init must be true or false"),
        (AverageKeys, {"start": 10}, r"average\.start=10ep.*average\.start=10st"),
        (AverageKeys, {"start": "150%"}, r"average\.start=150%: at most 100%"),
        (AverageKeys, {"every": "0.5st"}, r"average\.every=0\.5st: steps \(st\) are whole"),
        (AverageKeys, {"bn_images": "many"}, r"average\.bn_images must be a share"),
        (AverageKeys, {"bn_images": 0}, r"average\.bn_images must be positive, got 0"),
    ],
)
def test_bad_settings_are_refused_by_key(cls, values, message) -> None:
    with pytest.raises(ConfigError, match=message):
        build(cls, values, "average")


def test_the_name_loads_the_class() -> None:
    assert AVERAGES.load("swa") is Swa
