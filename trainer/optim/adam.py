"""Adam."""

from dataclasses import dataclass

import torch

from trainer.optim import OPTIMIZERS, Groups, OptimKeys, check_betas, check_in, fused, torch_groups


@OPTIMIZERS.register("adam")
@dataclass(frozen=True)
class Adam:
    """`torch.optim.Adam`, fused; weight decay is added to the gradient (L2), not decoupled.

    "Adam: A Method for Stochastic Optimization", arXiv:1412.6980.

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
        return torch.optim.Adam(
            torch_groups(groups),
            betas=self.betas,
            eps=self.eps,
            amsgrad=self.amsgrad,
            fused=fused(torch.optim.Adam, groups),
        )
