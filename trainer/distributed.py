"""Where a run's processes are, and how they share work: parsed once, grouped once."""

from __future__ import annotations

import atexit
import contextlib
import datetime
import inspect
import os
import sys
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import nn
from torch._C._distributed_c10d import PrefixStore, TCPStore

from trainer.errors import ConfigError

STRATEGIES = ("auto", "single", "ddp")
START_TIMEOUT_S = 300
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


class Strategy(Protocol):
    """How the processes of a run train one model together."""

    world: World

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the module whose forward pass is used in training."""

    def sync_on(self, is_last: bool) -> contextlib.AbstractContextManager[object]:
        """Return the context of a micro-batch; gradients are exchanged on a window's last one
        only."""

    def weigh(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss such that gradients, as exchanged, are those of the sum over all
        processes."""

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over all processes, in a new tensor; the argument is left
        alone."""

    def agree(self, value: int) -> int:
        """Return the greatest value that any process brings; the same for all."""

    def share(self, value: Any) -> Any:
        """Return the first process's value in every process."""

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes by rank, in every process."""


class Single:
    """One process: nothing to exchange."""

    def __init__(self, world: World) -> None:
        self.world = world

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

    def share(self, value: Any) -> Any:
        """Return the value."""
        return value

    def gather(self, value: Any) -> list[Any]:
        """Return the value in a list."""
        return [value]


class Ddp:
    """`torch.nn.parallel.DistributedDataParallel`: one process per device, gradients averaged at
    each step.

    Parameters are equal on all ranks; BatchNorm's running statistics are each rank's own until they
    are evaluated.
    """

    def __init__(self, world: World, device: torch.device) -> None:
        self.world = world
        self.device = device
        self.is_wrapped = False
        join_group(world, device)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model in its wrapper, again when parts of it were frozen; buffers are each
        process's own: they are made equal the first time alone."""
        ids = [self.device.index] if self.device.type == "cuda" else None
        # renamed in torch 2.14, where the old name warns
        known = inspect.signature(nn.parallel.DistributedDataParallel).parameters
        no_sync = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        options: dict[str, Any] = {"device_ids": ids, no_sync: False}
        options["init_sync"] = not self.is_wrapped
        self.is_wrapped = True
        self.parallel = nn.parallel.DistributedDataParallel(model, **options)
        return self.parallel

    def sync_on(self, is_last: bool) -> contextlib.AbstractContextManager[object]:
        """Return a context that keeps gradients local on all but the window's last micro-batch."""
        return contextlib.nullcontext() if is_last else self.parallel.no_sync()

    def weigh(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss times the number of processes, since the exchange takes the mean."""
        return loss * self.world.size

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum over all processes."""
        copy = tensor.detach().to(self.device, copy=True)
        dist.all_reduce(copy)
        return copy.to(tensor.device)

    def agree(self, value: int) -> int:
        """Return the greatest value."""
        number = torch.tensor(value, device=self.device)
        dist.all_reduce(number, op=dist.ReduceOp.MAX)
        return int(number)

    def share(self, value: Any) -> Any:
        """Return rank 0's value; it must be plain data."""
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """Return every rank's value; they must be plain data."""
        values: list[Any] = [None] * self.world.size
        dist.all_gather_object(values, value)
        return values


def join_group(world: World, device: torch.device) -> None:
    """Join the process group, once per process: re-created gloo groups read their peers' old
    addresses.

    A restarted attempt gets keys of its own in torchrun's store, for the same reason.
    """
    if dist.is_initialized():
        return
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    agent_serves = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    timeout = datetime.timedelta(seconds=START_TIMEOUT_S)
    store = TCPStore(host, port, world.size, world.rank == 0 and not agent_serves, timeout=timeout)
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=PrefixStore(f"trainer/{attempt}", store),
        rank=world.rank,
        world_size=world.size,
        timeout=timeout,
    )
    atexit.register(dist.destroy_process_group)


def build_strategy(name: str, world: World, device: torch.device) -> Strategy:
    """Return the strategy; `auto` is ddp under torchrun and single otherwise.

    Raises:
        ConfigError: for ddp without torchrun, or single under torchrun with several processes.
    """
    if name == "ddp" and not world.is_torchrun:
        raise ConfigError(f"strategy=ddp needs torchrun: {TORCHRUN}")
    if name == "single" and world.size > 1:
        raise ConfigError(
            f"strategy=single cannot run in {world.size} processes: use strategy=ddp, or start one"
        )
    if name == "ddp" or (name == "auto" and world.is_torchrun):
        return Ddp(world, device)
    return Single(world)


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
