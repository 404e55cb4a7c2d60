"""Adadelta."""

from dataclasses import dataclass

import torch

from trainer.optim import OPTIMIZERS, Groups, OptimKeys, check_in, torch_groups


@OPTIMIZERS.register("adadelta")
@dataclass(frozen=True)
class Adadelta:
    """`torch.optim.Adadelta`; weight decay is added to the gradient (L2).

    "ADADELTA: An Adaptive Learning Rate Method", arXiv:1212.5701. The paper has no learning rate,
    which is `lr=1`.

    Attributes:
        rho: decay of the means of squared gradients and squared steps, in [0, 1).
        eps: added under both roots; positive. It sets the length of the first steps.
    """

    rho: float = 0.9
    eps: float = 1e-6

    def __post_init__(self) -> None:
        check_in("[0, 1)", "optim.rho", self.rho)
        check_in("(0, inf)", "optim.eps", self.eps)

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.Adadelta(
            torch_groups(groups),
            rho=self.rho,
            eps=self.eps,
        )
