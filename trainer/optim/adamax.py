"""Adamax."""

from dataclasses import dataclass

import torch

from trainer.optim import OPTIMIZERS, Groups, OptimKeys, check_betas, check_in, torch_groups


@OPTIMIZERS.register("adamax")
@dataclass(frozen=True)
class Adamax:
    """`torch.optim.Adamax`; weight decay is added to the gradient (L2).

    Section 7.1 of "Adam: A Method for Stochastic Optimization", arXiv:1412.6980: the greatest of
    the decayed past gradients in place of the root of their mean square.

    Attributes:
        betas: decay of the first moment and of the greatest gradient, each in [0, 1).
        eps: added to a gradient's size before it is compared; positive.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        check_betas(self.betas)
        check_in("(0, inf)", "optim.eps", self.eps)

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.Adamax(
            torch_groups(groups),
            betas=self.betas,
            eps=self.eps,
        )
