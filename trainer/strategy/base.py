"""The interface of strategies, and the strategy of one process."""

import contextlib
from typing import Any, Protocol

import torch
from torch import nn

from trainer.core.environment import World
from trainer.precision.step import Precision
from trainer.strategy.collectives import Communicator


class Strategy(Communicator, Protocol):
    """How the processes of a run train one model together; the first of the devices that this
    process computes on is its own."""

    world: World
    devices: tuple[torch.device, ...]

    def take(self, device: torch.device, precision: Precision, accumulate: int) -> None:
        """Set the device of this process, the number format, and the micro-batches of a step.

        Raises:
            ConfigError: if the strategy does not work with them.
        """

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the module whose forward pass is used in training."""

    def sync_on(self, is_last: bool) -> contextlib.AbstractContextManager[object]:
        """Return the context of a micro-batch: gradients are exchanged in the last one of a step
        only."""

    def weigh(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss, scaled so that exchanged gradients are those of the sum over all
        processes."""

    def begin_steps(self) -> None:
        """Shorten the time that processes wait for each other: all are ready for the first
        step."""

    def all_sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over all processes, in a new tensor."""

    def all_max(self, value: int) -> int:
        """Return the greatest value of any process, in every process."""


class Single:
    """One process: nothing to exchange."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.devices: tuple[torch.device, ...] = ()

    def take(self, device: torch.device, precision: Precision, accumulate: int) -> None:
        """Set the device."""
        self.devices = (device,)

    def begin_steps(self) -> None:
        """Do nothing: there is nobody to wait for."""

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model itself."""
        return model

    def sync_on(self, is_last: bool) -> contextlib.AbstractContextManager[object]:
        """Return an empty context."""
        return contextlib.nullcontext()

    def weigh(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss itself."""
        return loss

    def all_sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a copy of the tensor."""
        return tensor.clone()

    def all_max(self, value: int) -> int:
        """Return the value."""
        return value

    def broadcast(self, value: Any) -> Any:
        """Return the value."""
        return value

    def all_gather(self, value: Any) -> list[Any]:
        """Return the value in a list."""
        return [value]
