"""Stochastic gradient descent."""

from dataclasses import dataclass

import torch

from trainer.optim import OPTIMIZERS, ConfigError, Groups, OptimKeys, check_in, fused, torch_groups


@OPTIMIZERS.register("sgd")
@dataclass(frozen=True)
class Sgd:
    """`torch.optim.SGD`, fused.

    Attributes:
        momentum: in [0, 1).
        nesterov: Nesterov's momentum, which needs a momentum above 0; None for yes where there is
            one.
    """

    momentum: float = 0.9
    nesterov: bool | None = None

    def __post_init__(self) -> None:
        check_in("[0, 1)", "optim.momentum", self.momentum)
        if self.nesterov and self.momentum == 0.0:
            raise ConfigError(
                "optim.nesterov=true needs optim.momentum above 0: set optim.nesterov=false as well"
            )

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.SGD(
            torch_groups(groups),
            momentum=self.momentum,
            nesterov=self.momentum > 0.0 if self.nesterov is None else self.nesterov,
            fused=fused(torch.optim.SGD, groups),
        )
