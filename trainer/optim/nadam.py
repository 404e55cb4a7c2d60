"""Adam with Nesterov's momentum."""

from dataclasses import dataclass

import torch

from trainer.optim import (
    OPTIMIZERS,
    Groups,
    OptimKeys,
    check_betas,
    check_decoupled,
    check_in,
    torch_groups,
)


@OPTIMIZERS.register("nadam")
@dataclass(frozen=True)
class NAdam:
    """`torch.optim.NAdam`.

    "Incorporating Nesterov Momentum into Adam", ICLR 2016 workshop.

    Attributes:
        betas: decay of the first and second moment, each in [0, 1).
        eps: added to the root of the second moment; positive.
        momentum_decay: of the momentum's own warm-up: the first moment's weight at step t is
            `betas[0] * (1 - 0.5 * 0.96 ** (t * momentum_decay))`; 0 or more.
        decoupled_weight_decay: shrink the weights as AdamW does, instead of adding the decay to the
            gradient.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum_decay: float = 4e-3
    decoupled_weight_decay: bool = False

    def __post_init__(self) -> None:
        check_betas(self.betas)
        check_in("(0, inf)", "optim.eps", self.eps)
        check_in("[0, inf)", "optim.momentum_decay", self.momentum_decay)

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        check_decoupled(self.decoupled_weight_decay, keys)
        return torch.optim.NAdam(
            torch_groups(groups),
            betas=self.betas,
            eps=self.eps,
            momentum_decay=self.momentum_decay,
            decoupled_weight_decay=self.decoupled_weight_decay,
        )
