"""Adam."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from trainer.errors import ConfigError
from trainer.optim.base import OPTIMIZERS, OptimKeys, check_unit


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
        for i, beta in enumerate(self.betas):
            check_unit(f"optim.betas[{i}]", beta)
        if self.eps <= 0.0:
            raise ConfigError(f"optim.eps must be positive, got {self.eps}")

    def build(self, parameters: Iterable[nn.Parameter], keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.Adam(
            parameters,
            lr=keys.lr,
            betas=self.betas,
            eps=self.eps,
            amsgrad=self.amsgrad,
            weight_decay=keys.weight_decay,
            fused=True,
        )
