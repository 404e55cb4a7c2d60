"""Adam with decoupled weight decay."""

from dataclasses import dataclass

import torch

from trainer.optim import OPTIMIZERS, Groups, OptimKeys, check_betas, check_in, fused, torch_groups


@OPTIMIZERS.register("adamw")
@dataclass(frozen=True)
class AdamW:
    """`torch.optim.AdamW`, fused: each step first shrinks the weights by `lr * weight_decay`.

    "Decoupled Weight Decay Regularization", arXiv:1711.05101. As in torch, the decay is multiplied
    by the whole learning rate; the paper multiplies it by the schedule alone.

    Attributes:
        betas: decay of the first and second moment, each in [0, 1).
        eps: added to the root of the second moment; positive.
        amsgrad: the variant of "On the Convergence of Adam and Beyond", arXiv:1904.09237.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    amsgrad: bool = False

    def __post_init__(self) -> None:
        check_betas(self.betas)
        check_in("(0, inf)", "optim.eps", self.eps)

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.AdamW(
            torch_groups(groups),
            betas=self.betas,
            eps=self.eps,
            amsgrad=self.amsgrad,
            fused=fused(torch.optim.AdamW, groups),
        )
