"""Exponential moving average of the weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from trainer.average._shadow import Shadow
from trainer.average.base import AVERAGES, Plan
from trainer.errors import ConfigError


@AVERAGES.register("ema")
@dataclass(frozen=True)
class Ema:
    """Weights that follow the model's: w_ema <- decay * w_ema + (1 - decay) * w at every snapshot.

    Begins as a copy of the first snapshot, so that initial weights leave no trace.

    Attributes:
        decay: share of the old average that stays, in [0, 1).
    """

    decay: float = 0.99

    def __post_init__(self) -> None:
        if not 0.0 <= self.decay < 1.0:
            raise ConfigError(f"average.decay must be in [0, 1), got {self.decay}")

    def build(self, model: nn.Module, plan: Plan) -> Shadow:
        """Return the moving average."""
        return Shadow(model, plan, self.follow)

    def follow(self, averaged: list[torch.Tensor], weights: list[torch.Tensor], count: int) -> None:
        """Move the average towards the weights, in place; all the way at the first snapshot."""
        torch._foreach_lerp_(averaged, weights, 1.0 - self.decay if count else 1.0)
