"""Adam with a rectified variance."""

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


@OPTIMIZERS.register("radam")
@dataclass(frozen=True)
class RAdam:
    """`torch.optim.RAdam`.

    "On the Variance of the Adaptive Learning Rate and Beyond", arXiv:1908.03265. While the variance
    of the second moment is unknown (the first 5 steps at the usual betas) it is momentum alone.

    Attributes:
        betas: decay of the first and second moment, each in [0, 1).
        eps: added to the root of the second moment; positive.
        decoupled_weight_decay: shrink the weights as AdamW does, instead of adding the decay to the
            gradient.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    decoupled_weight_decay: bool = False

    def __post_init__(self) -> None:
        check_betas(self.betas)
        check_in("(0, inf)", "optim.eps", self.eps)

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        check_decoupled(self.decoupled_weight_decay, keys)
        return torch.optim.RAdam(
            torch_groups(groups),
            betas=self.betas,
            eps=self.eps,
            decoupled_weight_decay=self.decoupled_weight_decay,
        )
