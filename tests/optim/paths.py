"""The weights that an optimizer passes through, given the gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.optim.base import OPTIMIZERS, Member, Optim, OptimKeys, ParameterGroup

Gradients = list[list[np.ndarray]]  # by step, by tensor


def one_group(parameters: Sequence[nn.Parameter], keys: OptimKeys) -> list[ParameterGroup]:
    """Return the groups of a run without rules."""
    members = tuple(
        Member(f"p{i}", p, frozenset(["matrix" if p.ndim >= 2 else "vector"]))
        for i, p in enumerate(parameters)
    )
    return [ParameterGroup("main", members, keys.lr, keys.weight_decay)]


def walk(
    component: Optim, keys: OptimKeys, start: np.ndarray, gradients: Sequence[np.ndarray]
) -> np.ndarray:
    """Return the float64 weights after each of the given gradients."""
    weight = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    return follow(component.build(one_group([weight], keys), keys), weight, gradients)


def follow(
    optimizer: torch.optim.Optimizer, weight: nn.Parameter, gradients: Sequence[np.ndarray]
) -> np.ndarray:
    """Return one parameter's values after each step."""
    path = []
    for gradient in gradients:
        weight.grad = torch.tensor(gradient, dtype=weight.dtype)
        optimizer.step()
        path.append(weight.detach().numpy().copy())
    return np.array(path)


def walk_many(
    component: Optim, keys: OptimKeys, starts: Sequence[np.ndarray], gradients: Gradients
) -> list[list[np.ndarray]]:
    """Return the float64 values of several tensors after each step, given a gradient for each."""
    weights = [nn.Parameter(torch.tensor(start, dtype=torch.float64)) for start in starts]
    optimizer = component.build(one_group(weights, keys), keys)
    path = []
    for step in gradients:
        for weight, gradient in zip(weights, step, strict=True):
            weight.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        path.append([weight.detach().numpy().copy() for weight in weights])
    return path


def random_problem(
    steps: int, *shapes: tuple[int, ...], seed: int = 2
) -> tuple[list[np.ndarray], Gradients]:
    """Return float64 tensors of the given shapes, and gradients of several sizes for each step."""
    rng = np.random.default_rng(seed)
    starts = [rng.normal(size=shape) for shape in shapes]
    return starts, [
        [rng.normal(size=s) * 10.0 ** rng.integers(-2, 2) for s in shapes] for _ in range(steps)
    ]


def check_same(got: Sequence[np.ndarray], expected: Sequence[np.ndarray], rtol: float) -> None:
    """Check the tensors of one step."""
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=rtol)


def gradients_of_many_sizes(steps: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return six weights and gradients for them, from tiny to huge."""
    rng = np.random.default_rng(seed)
    sizes = np.array([1e-3, 0.1, 1, 1, 10, 1e3])
    return rng.normal(size=6), rng.normal(size=(steps, 6)) * sizes


def check_parity(
    component: Optim, theirs: Callable[..., torch.optim.Optimizer], options: Mapping[str, Any]
) -> None:
    """Check 300 float64 steps with decay against torch's class in its plainest form."""
    start, gradients = gradients_of_many_sizes(300)
    got = walk(component, OptimKeys(0.01, 1e-3), start, gradients)
    weight = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    plain = theirs([weight], lr=0.01, weight_decay=1e-3, foreach=False, **options)
    np.testing.assert_allclose(got, follow(plain, weight, gradients), rtol=1e-11, atol=1e-13)


def check_reaches_torch(
    name: str, component: Optim, theirs: type[torch.optim.Optimizer], wanted: Mapping[str, Any]
) -> None:
    """Check that every key arrives in a group of torch's class."""
    keys = OptimKeys(0.2, 0.01)
    optimizer = component.build(one_group([nn.Parameter(torch.zeros(1))], keys), keys)
    assert type(optimizer) is theirs
    everything = {"lr": 0.2, "weight_decay": 0.01, "name": "main", **wanted}
    group = optimizer.param_groups[0]
    assert {key: group[key] for key in everything} == everything
    assert OPTIMIZERS.load(name) is type(component)


def check_refused(cls: type[Any], values: Mapping[str, object], message: str) -> None:
    """Check that a component's values are refused with a message."""
    with pytest.raises(ConfigError, match=message):
        build(cls, values, "optim")
