"""LAMB: Adam whose layers step in proportion to their weights."""

from dataclasses import dataclass
from typing import Any

import torch

from trainer.optim import OPTIMIZERS, Groups, OptimKeys, check_betas, check_in, torch_groups
from trainer.optim._foreach import ByGroup, Tensors, norms, scale_each


@OPTIMIZERS.register("lamb")
@dataclass(frozen=True)
class Lamb:
    """Adam's direction and the decay together, scaled to the norm of the weights: a rate of 0.01
    changes each layer by 1 % in a step.

    "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", arXiv:1904.00962,
    algorithm 2, with bias correction; the paper's phi is the identity.

    Deviations: a tensor is what the paper calls a layer; where its weights or its direction are all
    zero the ratio is 1; and tensors of fewer than two dimensions (biases, BatchNorm) step as in
    Adam, unless `adapt_vectors` is set, as in the authors' code.

    Attributes:
        betas: decay of the first and second moment, each in [0, 1).
        eps: added to the root of the second moment; positive.
        adapt_vectors: whether biases and BatchNorm's parameters are scaled too.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-6
    adapt_vectors: bool = False

    def __post_init__(self) -> None:
        check_betas(self.betas)
        check_in("(0, inf)", "optim.eps", self.eps)

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        least = 0 if self.adapt_vectors else 2
        settings = {"betas": self.betas, "eps": self.eps, "least_ndim": least}
        return LambOptimizer(torch_groups(groups), settings)


class LambOptimizer(ByGroup):
    """Groups have `lr`, `weight_decay`, `betas`, `eps` and `least_ndim`, the dimensions from which
    on a tensor is scaled."""

    def move(self, group: dict[str, Any], weights: Tensors, gradients: Tensors) -> None:
        """u = m_hat / (sqrt(v_hat) + eps) + wd w; w = w - lr u ||w|| / ||u||."""
        directions = self.adam(group, weights, gradients)
        if group["weight_decay"]:
            torch._foreach_add_(directions, weights, alpha=group["weight_decay"])
        scaled = [i for i, weight in enumerate(weights) if weight.ndim >= group["least_ndim"]]
        if scaled:
            w, u = (norms([tensors[i] for i in scaled]) for tensors in (weights, directions))
            scales = torch.where((w > 0) & (u > 0), w / u, 1.0)
            scale_each([directions[i] for i in scaled], scales)
        torch._foreach_add_(weights, directions, alpha=-group["lr"])
