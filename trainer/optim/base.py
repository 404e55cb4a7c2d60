"""The optimizer seam."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from trainer.errors import ConfigError
from trainer.registry import Registry


@dataclass(frozen=True)
class OptimKeys:
    """Keys that every choice of `optim` has.

    Attributes:
        lr: peak of the learning rate, whatever the schedule.
        weight_decay: coefficient of the decay, as the optimizer defines it.
    """

    lr: float = 0.01
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ConfigError(f"optim.lr must be positive, got {self.lr}")
        if self.weight_decay < 0:
            raise ConfigError(f"optim.weight_decay must be 0 or more, got {self.weight_decay}")


class Optim(Protocol):
    """A component of this seam."""

    def build(self, parameters: Iterable[nn.Parameter], keys: OptimKeys) -> torch.optim.Optimizer:
        """Return an optimizer over `parameters`, its groups' `lr` at the peak."""


OPTIMIZERS: Registry[Optim] = Registry("optim", OptimKeys)


def check_unit(key: str, value: float) -> None:
    """Raise ConfigError unless `value` is in [0, 1)."""
    if not 0.0 <= value < 1.0:
        raise ConfigError(f"{key} must be in [0, 1), got {value}")
