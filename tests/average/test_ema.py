"""EMA follows the weights by its decay, from the first snapshot on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainer.average.base import AVERAGES, Plan
from trainer.average.ema import Ema
from trainer.convert import build
from trainer.duration import Clock
from trainer.errors import ConfigError


def path_of(ema: Ema, plan: Plan, values: list[float]) -> list[float | None]:
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
    got = path_of(Ema(0.9), Plan(0, 1), [100.0, 1.0, 2.0, 4.0])
    assert got == pytest.approx([1.0, 1.1, 1.39], rel=1e-14)  # the initial 100 leaves no trace


def test_it_begins_after_its_start_and_moves_every_so_often() -> None:
    got = path_of(Ema(0.5), Plan(1, 2), [9.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert got == [None, None, 3.0, 3.0, 4.0]


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.floats(0.0, 0.9999), st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_parity_with_the_formula_and_bounds(decay: float, values: list[float]) -> None:
    got = path_of(Ema(decay), Plan(0, 1), values)
    average = values[1]
    for step, value in enumerate(values[1:]):
        average = decay * average + (1 - decay) * value if step else value
        assert got[step] == pytest.approx(average, rel=1e-10, abs=1e-12)
        assert min(values[1:]) - 1e-12 <= got[step] <= max(values[1:]) + 1e-12


def test_parity_with_torch() -> None:
    model = nn.Linear(3, 2).double()
    multi_avg_fn = torch.optim.swa_utils.get_ema_multi_avg_fn(0.97)
    oracle = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=multi_avg_fn)
    average = Ema(0.97).build(model, Plan(0, 1))
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
    assert path_of(Ema(0.0), Plan(0, 1), [0.0, 1.3, -2.7, 0.1]) == [1.3, -2.7, 0.1]


@pytest.mark.parametrize("stop", [0, 1, 9])
def test_saved_and_loaded_at_any_step_it_goes_on_bit_for_bit(stop: int) -> None:
    weights = torch.randn(21, 3, generator=torch.Generator().manual_seed(0))

    def go_on(average, model: nn.Module, start: int, end: int) -> None:
        for step in range(start, end):
            with torch.no_grad():
                next(model.parameters()).copy_(weights[step].view(1, 3))
            average.update(model, Clock(step, 20, 5))

    def fresh() -> nn.Module:
        model = nn.Linear(3, 1, bias=False)
        model.weight.data.copy_(weights[:1])
        return model

    ema, plan, model = Ema(0.9), Plan(2, 1), fresh()
    straight = ema.build(model, plan)
    go_on(straight, model, 1, 21)
    model = fresh()
    first = ema.build(model, plan)
    go_on(first, model, 1, stop + 1)
    kept = first.eval_model()
    saved = {} if kept is None else {k: v.clone() for k, v in kept.state_dict().items()}
    model = fresh()
    second = ema.build(model, plan)
    second.load_state_dict(first.state_dict(), saved)
    go_on(second, model, stop + 1, 21)
    expected, got = straight.eval_model(), second.eval_model()
    assert expected is not None
    assert got is not None
    assert np.array_equal(next(expected.parameters()).numpy(), next(got.parameters()).numpy())


@pytest.mark.parametrize("decay", [1.0, -0.1, 2])
def test_a_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match=r"average\.decay must be in \[0, 1\)"):
        build(Ema, {"decay": decay}, "average")


def test_the_name_loads_the_class() -> None:
    assert AVERAGES.load("ema") is Ema
