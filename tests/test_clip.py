"""Clipping."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainer.clip import Clip
from trainer.precision import Precision


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
