"""EMA follows the weights by its decay, from the first snapshot on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.average.trajectory import averaged, plan_for, resumed, walk
from trainer.average.base import AVERAGES, AverageKeys, SnapshotPlan
from trainer.average.ema import Ema
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.core.units import Amount


def path_of(ema: Ema, plan: SnapshotPlan, values: list[float]) -> list[float | None]:
    """The averaged weight after each step; `values` are the weights, the initial one first."""
    model = nn.Linear(1, 1, bias=False).double()
    weight = model.weight
    weight.data.fill_(values[0])
    average = ema.build(model, plan)
    path: list[float | None] = []
    for step, value in enumerate(values[1:], 1):
        weight.data.fill_(value)
        average.update(model, Clock(step, len(values), 5))
        result = average.eval_model()
        path.append(None if result is None else float(next(result.parameters())))
    return path


def test_by_hand() -> None:
    got = path_of(Ema(0.9), SnapshotPlan(0, 1), [100.0, 1.0, 2.0, 4.0])
    assert got == pytest.approx([1.0, 1.1, 1.39], rel=1e-14)  # the initial 100 leaves no trace


def test_it_begins_after_its_start_and_moves_every_so_often() -> None:
    got = path_of(Ema(0.5), SnapshotPlan(1, 2), [9.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert got == [None, None, 3.0, 3.0, 4.0]


@pytest.mark.slow
@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.floats(0.0, 0.9999), st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_parity_with_the_formula_and_bounds(decay: float, values: list[float]) -> None:
    got = path_of(Ema(decay), SnapshotPlan(0, 1), values)
    average = values[1]
    for step, value in enumerate(values[1:]):
        average = decay * average + (1 - decay) * value if step else value
        assert got[step] == pytest.approx(average, rel=1e-10, abs=1e-12)
        assert min(values[1:]) - 1e-12 <= got[step] <= max(values[1:]) + 1e-12


def test_parity_with_torch() -> None:
    model = nn.Linear(3, 2).double()
    multi_avg_fn = torch.optim.swa_utils.get_ema_multi_avg_fn(0.97)
    oracle = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=multi_avg_fn)
    average = Ema(0.97).build(model, SnapshotPlan(0, 1))
    for step in range(1, 20):
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(0.9).add_(0.01 * step)
        average.update(model, Clock(step, 20, 5))
        oracle.update_parameters(model)
    result = average.eval_model()
    assert result is not None
    for mine, theirs in zip(result.parameters(), oracle.module.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-13)


def test_decay_zero_is_the_present_weights() -> None:
    assert path_of(Ema(0.0), SnapshotPlan(0, 1), [0.0, 1.3, -2.7, 0.1]) == [1.3, -2.7, 0.1]


@settings(derandomize=True, max_examples=20, deadline=None)
@given(st.floats(0.2, 0.9999), st.lists(st.floats(-10, 10), min_size=2, max_size=40))
def test_the_decay_warms_up_as_in_tensorflow(decay: float, values: list[float]) -> None:
    got = path_of(Ema(decay, decay_warmup=True), SnapshotPlan(0, 1), values)
    average = values[1]
    for n, value in enumerate(values[1:]):
        share = min(decay, (1 + n) / (10 + n))
        average = share * average + (1 - share) * value if n else value
        assert got[n] == pytest.approx(average, rel=1e-10, abs=1e-12)


def test_the_warm_up_by_hand() -> None:
    got = path_of(Ema(0.99, decay_warmup=True), SnapshotPlan(0, 1), [0.0, 0.0, 11.0, 1.0])
    assert got == pytest.approx([0.0, 9.0, 0.25 * 9.0 + 0.75 * 1.0])  # decays 2/11, then 3/12
    assert Ema(0.5, decay_warmup=True).share(8) == 1 - 0.5  # 9/18: from here the decay's own


class Norm(nn.Module):
    """A parameter, BatchNorm's statistics, a buffer that is none, and a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(1)
        self.register_buffer("scale", torch.zeros(1))


def buffers_after(policy: str, values: list[float]) -> tuple[float, float, int]:
    """Averaged running mean, scale and count of batches, when those of the model were `values`."""
    model = Norm()
    average = Ema(0.5, buffers=policy).build(model, SnapshotPlan(0, 1))
    for step, value in enumerate(values, 1):
        model.norm.running_mean.fill_(value)
        model.norm.num_batches_tracked.fill_(step)
        model.scale.fill_(value)
        average.update(model, Clock(step, 10, 5))
    result = average.eval_model()
    assert isinstance(result, Norm)
    assert average.is_stale == (policy == "recompute")
    mean, count = float(result.norm.running_mean), int(result.norm.num_batches_tracked)
    return mean, float(result.scale), count


def test_each_policy_for_buffers_by_hand() -> None:
    assert buffers_after("copy", [1.0, 2.0, 4.0]) == (4.0, 4.0, 3)
    assert buffers_after("average", [1.0, 2.0, 4.0]) == (2.75, 2.75, 3)  # 1, 1.5, 2.75
    # statistics wait to be recomputed; what is none of them is the model's
    assert buffers_after("recompute", [1.0, 2.0, 4.0]) == (0.0, 4.0, 0)


@pytest.mark.parametrize(("policy", "use_buffers"), [("copy", False), ("average", True)])
def test_policies_for_buffers_agree_with_torch(policy: str, use_buffers: bool) -> None:
    model = nn.BatchNorm1d(3)
    multi_avg_fn = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    oracle = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=multi_avg_fn, use_buffers=use_buffers
    )
    average = Ema(0.9, buffers=policy).build(model, SnapshotPlan(0, 1))
    for step in range(1, 8):
        model(torch.randn(6, 3, generator=torch.Generator().manual_seed(step)))
        average.update(model, Clock(step, 20, 5))
        oracle.update_parameters(model)
    result = average.eval_model()
    assert result is not None
    for name in ("running_mean", "running_var"):
        mine, theirs = result.get_buffer(name), oracle.module.get_buffer(name)
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("warmup", [False, True])
@pytest.mark.parametrize("stop", [0, 2, 3, 21])
def test_saved_and_loaded_at_any_step_it_goes_on_bit_for_bit(stop: int, warmup: bool) -> None:
    ema, weights = Ema(0.9, warmup), walk(3, dtype=torch.float32)
    plan = plan_for(ema, "2st", "1st")
    assert np.array_equal(resumed(ema, plan, weights, stop), averaged(ema, plan, weights))


@pytest.mark.parametrize("decay", [1.0, -0.1, 2])
def test_a_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match=r"average\.decay must be in \[0, 1\)"):
        build(Ema, {"decay": decay}, "average")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"decay": 0.1, "decay_warmup": True}, r"decay_warmup=true has no effect with.*decay=0\.1"),
        ({"buffers": "keep"}, r"average\.buffers 'keep'; known: average, copy, recompute"),
    ],
)
def test_settings_without_an_effect_are_refused(values, message) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Ema, values, "average")


def test_images_for_statistics_that_are_not_recomputed_are_refused() -> None:
    few = AverageKeys(bn_images=Amount(512, False))
    Ema().check(few)
    Ema(buffers="copy").check(AverageKeys())
    with pytest.raises(
        ConfigError, match=r"bn_images=512 has no effect with average\.buffers=copy"
    ):
        Ema(buffers="copy").check(few)


def test_a_policy_for_buffers_of_a_model_without_any_is_refused() -> None:
    Ema().build(nn.Linear(1, 1), SnapshotPlan(0, 1))
    with pytest.raises(ConfigError, match=r"buffers=average has no effect.*no buffers"):
        Ema(buffers="average").build(nn.Linear(1, 1), SnapshotPlan(0, 1))


def test_the_name_loads_the_class() -> None:
    assert AVERAGES.load("ema") is Ema


@pytest.mark.slow
@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.floats(0.2, 0.99), st.booleans(), st.integers(1, 40))
def test_what_is_left_of_the_first_snapshot(decay: float, warmup: bool, count: int) -> None:
    ema = Ema(decay, decay_warmup=warmup)
    left = path_of(ema, SnapshotPlan(0, 1), [0.0, 1.0, *[0.0] * (count - 1)])[-1]
    told = ema.first_share(count)
    assert told == pytest.approx(left) or (told <= 0.1 and left is not None and left <= 0.1)
