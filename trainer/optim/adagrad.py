"""Adagrad."""

from dataclasses import dataclass

import torch

from trainer.optim import OPTIMIZERS, Groups, OptimKeys, check_in, fused, torch_groups


@OPTIMIZERS.register("adagrad")
@dataclass(frozen=True)
class Adagrad:
    """`torch.optim.Adagrad`, fused; weight decay is added to the gradient (L2).

    "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", JMLR 12, 2011.
    Deviation: torch's `lr_decay` is left out; the learning rate over time is the scheduler's.

    Attributes:
        initial_accumulator_value: what the sum of squared gradients begins with; 0 or more.
        eps: added to the root of that sum; positive.
    """

    initial_accumulator_value: float = 0.0
    eps: float = 1e-10

    def __post_init__(self) -> None:
        check_in("[0, inf)", "optim.initial_accumulator_value", self.initial_accumulator_value)
        check_in("(0, inf)", "optim.eps", self.eps)

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.Adagrad(
            torch_groups(groups),
            initial_accumulator_value=self.initial_accumulator_value,
            eps=self.eps,
            fused=fused(torch.optim.Adagrad, groups),
        )
