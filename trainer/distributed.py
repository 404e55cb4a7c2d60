"""Where a run's processes are, parsed once, and what a strategy does for them."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from trainer.errors import ConfigError
from trainer.precision import Precision

TORCHRUN = "torchrun --standalone --nproc-per-node 2 -m trainer strategy=ddp"


@dataclass(frozen=True)
class World:
    """The processes of this run.

    Attributes:
        rank: of this process, 0 to size - 1.
        local_rank: among those of this machine.
        size: processes over all machines.
        local_size: processes on this machine.
        is_torchrun: whether torchrun started this process.
    """

    rank: int = 0
    local_rank: int = 0
    size: int = 1
    local_size: int = 1
    is_torchrun: bool = False

    @classmethod
    def from_environment(cls) -> World:
        """Return what torchrun says, or one process where it says nothing."""
        env = os.environ
        if "TORCHELASTIC_RUN_ID" not in env and "WORLD_SIZE" not in env:
            return cls()
        size = env.get("WORLD_SIZE", "1")
        names = ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")
        given = [size, *(env.get(name, size if "SIZE" in name else "0") for name in names)]
        if not all(n.isdecimal() for n in given) or (int(size) > 1 and "MASTER_ADDR" not in env):
            raise ConfigError(f"WORLD_SIZE={size} without torchrun's other variables: {TORCHRUN}")
        return cls(int(given[1]), int(given[2]), int(size), int(given[3]), True)


def cores() -> int:
    """Return the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def default_threads(local_processes: int) -> int:
    """Return the threads of a process that was told no number: its share of the cores, or, where it
    is the only one, `OMP_NUM_THREADS` if that is set and less."""
    share = max(1, cores() // local_processes)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    # torchrun sets it to 1 for several, whatever the machine has
    is_asked = local_processes == 1 and asked.isdecimal() and int(asked) > 0
    return min(share, int(asked)) if is_asked else share


class Strategy(Protocol):
    """How the processes of a run train one model together.

    Attributes:
        world: the processes.
        devices: those that this process computes on, the first its own.
    """

    world: World
    devices: tuple[torch.device, ...]

    def take(self, device: torch.device, precision: Precision, accumulate: int) -> None:
        """Learn where this process computes, in which format and how many micro-batches.

        Raises:
            ConfigError: if that cannot be.
        """

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the module whose forward pass is used in training."""

    def sync_on(self, is_last: bool) -> contextlib.AbstractContextManager[object]:
        """Return the context of a micro-batch; gradients are exchanged on a window's last one
        only."""

    def weigh(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss such that gradients, as exchanged, are those of the sum over all
        processes."""

    def begin_steps(self) -> None:
        """Note that all processes are ready for the first step: from now on they wait less long
        for each other."""

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over all processes, in a new tensor; the argument is left
        alone."""

    def agree(self, value: int) -> int:
        """Return the greatest value that any process brings; the same for all."""

    def hears(self, asks: bool) -> bool:
        """Return whether a process is known to ask for a stop, where `asks` says whether this one
        does; no exchange: processes hear of it at different times, and may call it or not."""

    def share(self, value: Any) -> Any:
        """Return the first process's value in every process."""

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes by rank, in every process."""


class Single:
    """One process: nothing to exchange."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.devices: tuple[torch.device, ...] = ()

    def take(self, device: torch.device, precision: Precision, accumulate: int) -> None:
        """Learn the device."""
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

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a copy of the tensor."""
        return tensor.clone()

    def agree(self, value: int) -> int:
        """Return the value."""
        return value

    def hears(self, asks: bool) -> bool:
        """Return what this process asks."""
        return asks

    def share(self, value: Any) -> Any:
        """Return the value."""
        return value

    def gather(self, value: Any) -> list[Any]:
        """Return the value in a list."""
        return [value]


def choose_device(name: str, world: World) -> torch.device:
    """Return the device that `device=` means in this process.

    Raises:
        ConfigError: if there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and (kind != "cuda" or not index.isdigit())):
        raise ConfigError(f"device must be auto, cpu, cuda, cuda:<number> or mps, got '{name}'")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        wanted = int(index) if index else world.local_rank
        if wanted >= count:
            raise ConfigError(
                f"device={name}: this machine has {count} CUDA devices; "
                "use device=cpu or device=auto"
            )
        return torch.device("cuda", wanted)
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device=mps: this machine has none; use device=cpu or device=auto")
    return torch.device(kind)
