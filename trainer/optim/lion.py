"""Lion: the sign of a momentum."""

from dataclasses import dataclass
from typing import Any

import torch

from trainer.optim import OPTIMIZERS, Groups, OptimKeys, check_betas, torch_groups
from trainer.optim._foreach import ByGroup, Tensors, decay


@OPTIMIZERS.register("lion")
@dataclass(frozen=True)
class Lion:
    """Every weight moves by exactly the learning rate, in the direction of a momentum's sign.

    "Symbolic Discovery of Optimization Algorithms", arXiv:2302.06675, algorithm 2, with its
    decoupled weight decay. The paper advises a learning rate 3 to 10 times below AdamW's, and a
    decay as much above.

    Attributes:
        betas: weight of the past in the direction of the step, and in the momentum that is kept;
            each in [0, 1).
    """

    betas: tuple[float, float] = (0.9, 0.99)

    def __post_init__(self) -> None:
        check_betas(self.betas)

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return LionOptimizer(torch_groups(groups), {"betas": self.betas})


class LionOptimizer(ByGroup):
    """Groups have `lr`, `weight_decay` and `betas`."""

    def move(self, group: dict[str, Any], weights: Tensors, gradients: Tensors) -> None:
        """w = (1 - lr wd) w - lr sign(beta_1 m + (1 - beta_1) g); m moves to g by 1 - beta_2."""
        one, two = group["betas"]
        momenta = self.slot(weights, "momentum")
        directions = torch._foreach_lerp(momenta, gradients, 1.0 - one)
        torch._foreach_sign_(directions)
        decay(group, weights)
        torch._foreach_add_(weights, directions, alpha=-group["lr"])
        torch._foreach_lerp_(momenta, gradients, 1.0 - two)
