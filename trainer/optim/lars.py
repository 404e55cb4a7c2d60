"""LARS: momentum SGD whose layers step in proportion to their weights."""

from dataclasses import dataclass
from typing import Any

import torch

from trainer.optim import OPTIMIZERS, Groups, OptimKeys, check_in, torch_groups
from trainer.optim._foreach import ByGroup, Tensors, norms, scale_each


@OPTIMIZERS.register("lars")
@dataclass(frozen=True)
class Lars:
    """SGD with momentum, the rate of each layer scaled by the norm of its weights over that of its
    gradient.

    "Large Batch Training of Convolutional Networks", arXiv:1708.03888, algorithm 1; weight decay is
    added to the gradient (L2). As there, the learning rate is inside the momentum. A rate of 1
    changes a layer by a share of about `trust_coefficient` in a step.

    Deviations: a tensor is what the paper calls a layer; where its weights or its gradient are all
    zero the scale, which has no value, is 1; and tensors of fewer than two dimensions (biases,
    BatchNorm) step without it unless `adapt_vectors` is set, as large-batch practice does.

    Attributes:
        momentum: in [0, 1).
        trust_coefficient: the paper's eta; positive.
        adapt_vectors: whether biases and BatchNorm's parameters are scaled too.
    """

    momentum: float = 0.9
    trust_coefficient: float = 1e-3
    adapt_vectors: bool = False

    def __post_init__(self) -> None:
        check_in("[0, 1)", "optim.momentum", self.momentum)
        check_in("(0, inf)", "optim.trust_coefficient", self.trust_coefficient)

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        least = 0 if self.adapt_vectors else 2
        settings = {"momentum": self.momentum, "trust": self.trust_coefficient, "least_ndim": least}
        return LarsOptimizer(torch_groups(groups), settings)


class LarsOptimizer(ByGroup):
    """Groups have `lr`, `weight_decay`, `momentum`, `trust` and `least_ndim`, the dimensions from
    which on a tensor is scaled."""

    def move(self, group: dict[str, Any], weights: Tensors, gradients: Tensors) -> None:
        """v = momentum v + lr scale (g + wd w); w = w - v."""
        velocities = self.slot(weights, "velocity")
        directions = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
        scaled = [i for i, weight in enumerate(weights) if weight.ndim >= group["least_ndim"]]
        if scaled:
            w, g = (norms([tensors[i] for i in scaled]) for tensors in (weights, gradients))
            scales = group["trust"] * w / (g + group["weight_decay"] * w)
            scales = torch.where((w > 0) & (g > 0), scales, 1.0)
            scale_each([directions[i] for i in scaled], scales)
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_add_(velocities, directions, alpha=group["lr"])
        torch._foreach_sub_(weights, velocities)
