"""A made-up training run: one weight vector per step, fed to an average."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from trainer.average.base import AverageKeys, Averaging, SnapshotPlan
from trainer.core.clock import Clock
from trainer.core.units import Duration

TOTAL = 40  # steps, ten to an epoch


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


def weights_of(model: nn.Module | None) -> np.ndarray | None:
    return None if model is None else next(model.parameters()).detach().numpy()[0]


def keys(start: str = "0ep", every: str = "1st") -> AverageKeys:
    return AverageKeys(Duration.parse(start, "start"), Duration.parse(every, "every"))


def plan_for(component: Averaging, start: str, every: str, total: int = TOTAL) -> SnapshotPlan:
    return component.plan(keys(start, every), Clock(0, total, 10))


def averaged(component: Averaging, plan: SnapshotPlan, weights: torch.Tensor) -> np.ndarray | None:
    """The averaged weights (3,) after a whole run, or None."""
    model = module_with(weights[0])
    average = component.build(model, plan)
    for step in range(1, len(weights)):
        put(model, weights[step])
        average.update(model, Clock(step, TOTAL, 10))
    return weights_of(average.eval_model())


def resumed(
    component: Averaging, plan: SnapshotPlan, weights: torch.Tensor, stop: int
) -> np.ndarray:
    """The same, saved after `stop` steps and loaded into parts assembled anew."""
    model = module_with(weights[0])
    average = component.build(model, plan)
    for step in range(1, stop + 1):
        put(model, weights[step])
        average.update(model, Clock(step, TOTAL, 10))
    kept = average.eval_model()
    saved = {} if kept is None else {k: v.clone() for k, v in kept.state_dict().items()}
    fresh = module_with(weights[0])
    second = component.build(fresh, plan)
    second.load_state_dict(average.state_dict(), saved)
    for step in range(stop + 1, len(weights)):
        put(fresh, weights[step])
        second.update(fresh, Clock(step, TOTAL, 10))
    result = weights_of(second.eval_model())
    assert result is not None
    return result
