"""Clipping: by norm, by value, adaptive."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.command import TINY, Call
from trainer.core.errors import ConfigError
from trainer.optim._clip import Clip, build_clip, clip_adaptively
from trainer.precision.step import Precision


def with_gradients(*values: float) -> list[nn.Parameter]:
    """One parameter for each value, and one that got no gradient."""
    parameters = [nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in values]
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = torch.tensor([value], dtype=torch.float64)
    return [*parameters, nn.Parameter(torch.zeros(3, dtype=torch.float64))]


def gradients_of(parameters: Iterable[nn.Parameter]) -> list[float]:
    return [float(p.grad) for p in parameters if p.grad is not None]


def test_clip_by_norm_by_hand() -> None:
    parameters = with_gradients(3.0, 4.0)
    norm = Clip(norm=1.0)(parameters, measure=False)
    assert float(norm) == 5.0
    assert gradients_of(parameters) == pytest.approx([0.6, 0.8], rel=1e-5)


def test_clip_by_value_by_hand() -> None:
    parameters = with_gradients(3.0, -4.0, 0.5)
    assert Clip(value=1.0)(parameters, measure=False) is None
    assert gradients_of(parameters) == [1.0, -1.0, 0.5]


def test_norm_first_then_value() -> None:
    parameters = with_gradients(30.0, 40.0)
    Clip(norm=5.0, value=3.5)(parameters, measure=False)
    assert gradients_of(parameters) == pytest.approx([3.0, 3.5], rel=1e-5)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6), st.floats(0.01, 100))
def test_clipping_agrees_with_torch(values: list[float], bound: float) -> None:
    mine, theirs = with_gradients(*values), with_gradients(*values)
    norm = Clip(norm=bound)(iter(mine), measure=False)
    expected = nn.utils.clip_grad_norm_(theirs, bound)
    assert float(norm) == float(expected)
    assert gradients_of(mine) == gradients_of(theirs)
    assert sum(g * g for g in gradients_of(mine)) ** 0.5 <= bound * (1 + 1e-9)
    mine, theirs = with_gradients(*values), with_gradients(*values)
    Clip(value=bound)(iter(mine), measure=True)
    nn.utils.clip_grad_value_(theirs, bound)
    assert gradients_of(mine) == gradients_of(theirs)


def test_no_clipping_measures_only_when_asked_and_changes_nothing() -> None:
    parameters = with_gradients(3.0, 4.0)
    assert Clip()(parameters, measure=False) is None
    assert float(Clip()(parameters, measure=True)) == 5.0
    assert gradients_of(parameters) == [3.0, 4.0]


def test_every_group_is_clipped_together() -> None:
    one, two = with_gradients(3.0)[0], with_gradients(4.0)[0]
    gradients = [one.grad, two.grad]
    optimizer = torch.optim.SGD([{"params": [one]}, {"params": [two]}], lr=1.0)

    def restore() -> None:
        one.grad, two.grad = gradients

    Precision("fp64", torch.device("cpu")).step(
        optimizer, restore, lambda p: Clip(norm=1.0)(p, measure=False)
    )
    assert [one.item(), two.item()] == pytest.approx([-0.6, -0.8], rel=1e-5)


def pair(weights: object, gradients: object) -> nn.Parameter:
    """A parameter and its gradient, of float64."""
    parameter = nn.Parameter(torch.tensor(weights, dtype=torch.float64))
    parameter.grad = torch.tensor(gradients, dtype=torch.float64)
    return parameter


def test_adaptive_clipping_of_rows_by_hand() -> None:
    rows = pair([[3.0, 4.0], [0.0, 0.0], [6.0, 8.0]], [[0.0, 2.0], [0.0, 2.0], [0.6, 0.8]])
    clip_adaptively([rows], 0.1)
    # norms 5, 0 (0.001 instead) and 10 allow gradients of 0.5, 0.0001 and 1; the last has 1
    expected = [[0.0, 0.5], [0.0, 0.0001], [0.6, 0.8]]
    np.testing.assert_allclose(rows.grad, expected, rtol=1e-12)


def test_a_vector_is_one_unit_and_zero_gradients_stay() -> None:
    bias, still = pair([3.0, 4.0], [0.0, 2.0]), pair([[1.0, 1.0]], [[0.0, 0.0]])
    scalar = pair(2.0, -1.0)
    clip_adaptively([bias, still, scalar], 0.1)
    np.testing.assert_allclose(bias.grad, [0.0, 0.5], rtol=1e-12)
    np.testing.assert_allclose(still.grad, [[0.0, 0.0]])
    assert float(scalar.grad) == pytest.approx(-0.2)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2, 2), (5,), (1, 6), (6, 1)])
@pytest.mark.parametrize("bound", [1e-3, 0.1, 10.0])
def test_adaptive_clipping_agrees_with_the_paper_s_equation(shape, bound: float) -> None:
    rng = np.random.default_rng(0)
    sizes = 10.0 ** rng.integers(-5, 1, shape[:1] + (1,) * (len(shape) - 1))  # by unit
    w, g = rng.normal(size=shape) * sizes, rng.normal(size=shape)
    parameter = pair(w, g)
    clip_adaptively([parameter], bound)
    units = [(w, g)] if len(shape) < 2 else list(zip(w, g, strict=True))
    expected = []
    for weights, gradient in units:
        least = max(np.linalg.norm(weights), 1e-3)
        size = np.linalg.norm(gradient)
        expected.append(bound * least / size * gradient if size / least > bound else gradient)
    np.testing.assert_allclose(parameter.grad, np.array(expected).reshape(shape), rtol=1e-12)


def test_half_gradients_are_measured_in_float32() -> None:
    parameter = nn.Parameter(torch.full((1, 4), 100.0, dtype=torch.float16))
    parameter.grad = torch.full((1, 4), 1000.0, dtype=torch.float16)  # squares are above 65504
    clip_adaptively([parameter], 1.0)
    assert parameter.grad.tolist() == [[100.0] * 4]


def test_the_last_layer_is_left_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2)).double()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 1e3)
    build_clip(model, norm=None, value=None, adaptive=0.01)(model.parameters(), measure=False)
    clipped = [name for name, p in model.named_parameters() if float(p.grad.max()) < 1e3]
    assert clipped == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_a_model_that_is_its_last_layer_is_refused() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    with pytest.raises(ConfigError, match=r"clip_adaptive=0\.01 leaves the last layer alone"):
        build_clip(model, norm=None, value=None, adaptive=0.01)
    assert build_clip(model, norm=1.0, value=None, adaptive=None).norm == 1.0


def test_adaptive_first_then_norm_then_value_and_the_norm_told_is_that_before() -> None:
    first, second = pair([[3.0, 4.0]], [[0.0, 20.0]]), pair([[1.0]], [[0.1]])
    norm = Clip(norm=2.5, value=2.0, adaptive=1.0)([first, second], measure=True)
    assert float(norm) == pytest.approx((20.0**2 + 0.1**2) ** 0.5)
    # 20 becomes 5, then all is halved to a norm of 2.5, then cut at 2
    assert float(first.grad[0, 1]) == 2.0
    assert float(second.grad) == pytest.approx(0.05, rel=1e-3)


def test_what_is_not_positive_is_refused(call: Call) -> None:
    got = call(*TINY, "clip_adaptive=0")
    assert got.code == 2
    assert "clip_adaptive must be positive, got 0" in got.err
