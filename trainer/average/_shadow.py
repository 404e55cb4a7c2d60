"""A copy of the model whose weights an average moves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from trainer.average.base import Plan
from trainer.duration import Clock
from trainer.model.base import put_weights

Blend = Callable[[list[torch.Tensor], list[torch.Tensor], int], None]


class Shadow:
    """Averaged weights of a model: parameters are blended, buffers wait to be recomputed.

    Args:
        model: the model that trains; its present weights are where the average begins.
        plan: when snapshots are taken.
        blend: `blend(averaged, weights, count)` moves the averaged tensors in place, having seen
            `count` snapshots.
        count: snapshots that the present weights count as.
    """

    def __init__(self, model: nn.Module, plan: Plan, blend: Blend, count: int = 0) -> None:
        self.plan = plan
        self.blend = blend
        self.count = count
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    def update(self, model: nn.Module, clock: Clock) -> None:
        """Blend the model's weights in, if a snapshot is due."""
        if not self.plan.is_due(clock.window):
            return
        with torch.no_grad():
            averaged = [p.data for p in self.model.parameters()]
            self.blend(averaged, [p.data for p in model.parameters()], self.count)
        self.count += 1

    def eval_model(self) -> nn.Module | None:
        """Return the averaged model, or None before the first snapshot."""
        return self.model if self.count else None

    def state_dict(self) -> dict[str, Any]:
        """Return the number of snapshots."""
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, Any], weights: dict[str, Any]) -> None:
        """Take the averaged weights and their number."""
        self.count = int(state["count"])
        if weights:  # none are kept before the first snapshot
            put_weights(self.model, weights)
