"""Stochastic weight averaging."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from trainer.average._shadow import Shadow
from trainer.average.base import AVERAGES, Plan


@AVERAGES.register("swa")
@dataclass(frozen=True)
class Swa:
    """The plain mean of the weights at every snapshot.

    "Averaging Weights Leads to Wider Optima and Better Generalization", arXiv:1803.05407, algorithm
    1, whose average begins with the initial weights (`include_init`); by default it does not, as in
    the authors' code. The learning rate is the scheduler's business.

    Attributes:
        include_init: whether the weights before the first step count as a snapshot.
    """

    include_init: bool = False

    def build(self, model: nn.Module, plan: Plan) -> Shadow:
        """Return the running mean."""
        return Shadow(model, plan, running_mean, count=int(self.include_init))


def running_mean(averaged: list[torch.Tensor], weights: list[torch.Tensor], count: int) -> None:
    """Move the mean of n snapshots to that of one more: (w_swa * n + w) / (n + 1), in place."""
    torch._foreach_lerp_(averaged, weights, 1.0 / (count + 1))
