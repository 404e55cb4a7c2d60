"""RMSprop."""

from dataclasses import dataclass

import torch

from trainer.optim import OPTIMIZERS, Groups, OptimKeys, check_in, torch_groups


@OPTIMIZERS.register("rmsprop")
@dataclass(frozen=True)
class RMSprop:
    """`torch.optim.RMSprop`; weight decay is added to the gradient (L2).

    Lecture 6.5 of "Neural Networks for Machine Learning", G. Hinton, 2012.

    Attributes:
        alpha: decay of the mean square of the gradient, in [0, 1).
        eps: added to its root; positive.
        momentum: of the steps, in [0, 1).
        centered: subtract the square of the mean gradient from the mean square, as in "Generating
            Sequences With Recurrent Neural Networks", arXiv:1308.0850.
    """

    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    centered: bool = False

    def __post_init__(self) -> None:
        check_in("[0, 1)", "optim.alpha", self.alpha)
        check_in("(0, inf)", "optim.eps", self.eps)
        check_in("[0, 1)", "optim.momentum", self.momentum)

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.RMSprop(
            torch_groups(groups),
            alpha=self.alpha,
            eps=self.eps,
            momentum=self.momentum,
            centered=self.centered,
        )
