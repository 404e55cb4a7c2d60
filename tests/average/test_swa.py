"""SWA is the plain mean of the weights at the planned steps."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainer.average.base import AVERAGES, AverageKeys, Plan
from trainer.average.swa import Swa
from trainer.convert import build
from trainer.duration import Clock
from trainer.errors import ConfigError

TOTAL = 40


def walk(seed: int = 0, count: int = TOTAL, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Weights (count + 1, 3) along a training run, the initial ones first."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count + 1, 3, generator=generator, dtype=dtype)


def module_with(weights: torch.Tensor) -> nn.Module:
    model = nn.Linear(3, 1, bias=False).to(weights.dtype)
    put(model, weights)
    return model


def put(model: nn.Module, weights: torch.Tensor) -> None:
    with torch.no_grad():
        next(model.parameters()).copy_(weights.view(1, 3))


def averaged(swa: Swa, plan: Plan, weights: torch.Tensor) -> np.ndarray | None:
    model = module_with(weights[0])
    average = swa.build(model, plan)
    for step in range(1, len(weights)):
        put(model, weights[step])
        average.update(model, Clock(step, TOTAL, 10))
    result = average.eval_model()
    return None if result is None else next(result.parameters()).detach().numpy()[0]


def test_by_hand() -> None:
    weights = torch.tensor([[9.0] * 3, [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [5.0, 5.0, 5.0]])
    assert averaged(Swa(), Plan(0, 1), weights).tolist() == pytest.approx([3, 3, 3], rel=1e-6)
    assert averaged(Swa(), Plan(1, 2), weights).tolist() == [5.0, 5.0, 5.0]


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(0, TOTAL), st.integers(1, TOTAL), st.integers(0, 1_000))
def test_it_is_the_mean_of_the_snapshots_at_exactly_the_planned_steps(start, every, seed) -> None:
    weights = walk(seed)
    taken = [t for t in range(TOTAL + 1) if t > start and (t - start) % every == 0]
    got = averaged(Swa(), Plan(start, every), weights)
    if not taken:
        assert got is None
    else:
        np.testing.assert_allclose(got, weights[taken].numpy().mean(0), rtol=1e-12, atol=1e-13)


def test_with_the_initial_weights_it_is_algorithm_1_of_the_text() -> None:
    weights = walk(1)
    swa = weights[0].numpy()
    for n_models in range(1, TOTAL + 1):
        swa = (swa * n_models + weights[n_models].numpy()) / (n_models + 1)
    got = averaged(Swa(include_init=True), Plan(0, 1), weights)
    np.testing.assert_allclose(got, swa, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(got, weights.numpy().mean(0), rtol=1e-12, atol=1e-13)


def test_parity_with_torch() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()
    oracle = torch.optim.swa_utils.AveragedModel(model)
    average = Swa().build(model, Plan(0, 1))
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
    average = Swa().build(model, Plan(0, 1))
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
@pytest.mark.parametrize("stop", [0, 5, 11, 23])
def test_saved_and_loaded_at_any_step_it_goes_on_bit_for_bit(include_init: bool, stop: int) -> None:
    swa, plan, weights = Swa(include_init), Plan(10, 3), walk(2, dtype=torch.float32)
    straight = averaged(swa, plan, weights)
    model = module_with(weights[0])
    average = swa.build(model, plan)
    for step in range(1, stop + 1):
        put(model, weights[step])
        average.update(model, Clock(step, TOTAL, 10))
    kept = average.eval_model()
    saved = {} if kept is None else {k: v.clone() for k, v in kept.state_dict().items()}
    fresh = module_with(weights[0])  # assembled again from the same seed
    resumed = swa.build(fresh, plan)
    resumed.load_state_dict(average.state_dict(), saved)
    for step in range(stop + 1, TOTAL + 1):
        put(fresh, weights[step])
        resumed.update(fresh, Clock(step, TOTAL, 10))
    result = resumed.eval_model()
    assert result is not None
    assert np.array_equal(next(result.parameters()).numpy()[0], straight)


def test_buffers_of_the_average_are_loaded_too() -> None:
    model = nn.BatchNorm1d(2)
    average = Swa().build(model, Plan(0, 1))
    average.update(model, Clock(1, TOTAL, 10))
    saved = {k: v + 1 for k, v in model.state_dict().items()}
    average.load_state_dict({"count": 4}, saved)
    result = average.eval_model()
    assert result is not None
    assert all(torch.equal(v, saved[k]) for k, v in result.state_dict().items())
    assert average.state_dict() == {"count": 4}


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(0, 50), st.integers(1, 50))
def test_a_plan_takes_its_first_snapshot_one_interval_after_its_start(start, every) -> None:
    due = [t for t in range(200) if Plan(start, every).is_due(t)]
    assert due == list(range(start + every, 200, every))


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (Swa, {"include_init": "yes"}, r"average\.include_init must be true or false"),
        (AverageKeys, {"start": 10}, r"average\.start=10ep.*average\.start=10st"),
        (AverageKeys, {"start": "150%"}, r"average\.start=150%: at most 100%"),
        (AverageKeys, {"every": "0.5st"}, r"average\.every=0\.5st: steps \(st\) are whole"),
        (AverageKeys, {"bn_images": "many"}, r"average\.bn_images must be a share"),
    ],
)
def test_bad_settings_are_refused_by_key(cls, values, message) -> None:
    with pytest.raises(ConfigError, match=message):
        build(cls, values, "average")


def test_the_name_loads_the_class() -> None:
    assert AVERAGES.load("swa") is Swa
