"""Strategies of several devices: one process for each, or one for all."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

import torch
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

from trainer.core.environment import TORCHRUN, World
from trainer.core.errors import ConfigError
from trainer.precision.step import Precision
from trainer.strategy.base import Single, Strategy
from trainer.strategy.collectives import Communicator
from trainer.strategy.keys import StrategyChoice, Timeouts
from trainer.strategy.process_group import ProcessGroup, join
from trainer.strategy.sync_batch_norm import with_synced_norms

SMALLEST = 2  # images of a device: BatchNorm has no variance of one

HOOKS = {"bf16": default_hooks.bf16_compress_hook, "fp16": default_hooks.fp16_compress_hook}


class Ddp:
    """`torch.nn.parallel.DistributedDataParallel`: one process per device, gradients averaged at
    each step.

    Parameters are equal on all ranks; BatchNorm's running statistics are each rank's own until they
    are evaluated.

    Args:
        world: the processes.
        group: what they exchange by.
        choice: how.
    """

    def __init__(self, world: World, group: ProcessGroup, choice: StrategyChoice) -> None:
        self.world, self.group, self.choice = world, group, choice
        self.is_wrapped = False

    def take(self, device: torch.device, precision: Precision, accumulate: int) -> None:
        """Learn the device; raise ConfigError for options that cannot be with the rest."""
        self.devices: tuple[torch.device, ...] = (device,)
        if device.type == "mps":
            raise ConfigError("strategy=ddp does not exist on device=mps; use device=cpu")
        if self.choice.exchange.static_graph and accumulate > 1:
            raise ConfigError(
                f"strategy.static_graph=true cannot be with accumulate={accumulate}: torch plans "
                "the exchange in the first backward pass, which here exchanges nothing"
            )
        compress = self.choice.exchange.compress
        has_halves = precision.format.has_half_copy or precision.dtype == torch.float16
        if compress != "none" and has_halves:
            raise ConfigError(
                f"strategy.compress={compress} has no effect with precision={precision.name}, "
                "whose gradients have 16 bits already: leave it out"
            )

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model in its wrapper, again when parts of it were frozen; buffers are each
        process's own: they are made equal the first time alone."""
        exchange, device = self.choice.exchange, self.devices[0]
        # renamed in torch 2.14, where the old name warns
        known = inspect.signature(nn.parallel.DistributedDataParallel).parameters
        no_sync = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        options: dict[str, Any] = {
            "device_ids": [device.index] if device.type == "cuda" else None,
            no_sync: False,
            "init_sync": not self.is_wrapped,
            "gradient_as_bucket_view": exchange.bucket_view,
            "static_graph": exchange.static_graph,
        }
        self.is_wrapped = True
        if exchange.sync_batch_norm:
            model = with_synced_norms(model)
        self.parallel = nn.parallel.DistributedDataParallel(model, **options)
        if exchange.compress != "none":
            self.parallel.register_comm_hook(None, HOOKS[exchange.compress])
        return self.parallel

    def sync_on(self, is_last: bool) -> contextlib.AbstractContextManager[object]:
        """Return a context that keeps gradients local on all but the step's last micro-batch."""
        return contextlib.nullcontext() if is_last else self.parallel.no_sync()

    def weigh(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss times the number of processes, since the exchange takes the mean."""
        return loss * self.world.size

    def begin_steps(self) -> None:
        """Wait less long for each other from now on."""
        self.group.wait_at_most(self.choice.timeouts.timeout.value)

    def all_sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum over all processes."""
        return self.group.all_sum(tensor)

    def all_max(self, value: int) -> int:
        """Return the greatest value."""
        return self.group.all_max(value)

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value; it must be plain data."""
        return self.group.broadcast(value)

    def all_gather(self, value: Any) -> list[Any]:
        """Return every rank's value; they must be plain data."""
        return self.group.all_gather(value)


class Dp(Single):
    """`torch.nn.DataParallel`: one process, whose model is copied to all its GPUs at each pass.

    Each takes a part of the batch, the first gathers the logits: loss and gradients are those of
    one GPU up to summation order. BatchNorm takes each GPU's part by itself; the running statistics
    that stay are the first one's. A batch too small to give every GPU two images goes to fewer.
    """

    def take(self, device: torch.device, precision: Precision, accumulate: int) -> None:
        """Learn the devices; raise ConfigError unless there are two GPUs, and none was named."""
        count = torch.cuda.device_count() if device.type == "cuda" else 0
        if count < 2:
            raise ConfigError(
                f"strategy=dp needs two GPUs: device={device.type} has {count} here; "
                f"for several processes on a CPU: {TORCHRUN}"
            )
        if device.index:
            raise ConfigError(
                f"device={device} names one GPU and strategy=dp takes all {count}: use "
                "device=cuda, and CUDA_VISIBLE_DEVICES to leave some out"
            )
        self.devices = tuple(torch.device("cuda", i) for i in range(count))

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return a module that spreads its batches over the devices."""
        return DataParallelModel(model, self.devices)


class DataParallelModel(nn.Module):
    """A model whose passes are spread over devices.

    Args:
        model: on the first of them.
        devices: to spread over.
    """

    def __init__(self, model: nn.Module, devices: tuple[torch.device, ...]) -> None:
        super().__init__()
        self.model, self.devices = model, list(devices)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) of images (B, C, H, W), on the first device."""
        wanted = max(1, min(len(self.devices), len(images) // SMALLEST))
        logits: torch.Tensor = nn.parallel.data_parallel(
            self.model, images, device_ids=self.devices[:wanted]
        )
        return logits


def build_strategy(choice: StrategyChoice, world: World) -> Strategy:
    """Return the strategy; `auto` is ddp under torchrun and single otherwise. A process of several
    joins the others here.

    Raises:
        ConfigError: for what cannot be with the way in which the program was started.
        LostProcess: naming those of the others that did not come.
    """
    name = choice.name
    check_start(choice, world)
    if name in ("single", "dp") and world.size > 1:
        raise ConfigError(
            f"strategy={name} cannot run in {world.size} processes: use strategy=ddp, or start one"
        )
    if name == "ddp" or (name == "auto" and world.is_torchrun):
        return Ddp(world, join(world, choice.timeouts.start_timeout.value), choice)
    for key in choice.changed():
        raise ConfigError(f"{key} has no effect in one process: leave it out, or use {TORCHRUN}")
    return Dp(world) if name == "dp" else Single(world)


def check_start(choice: StrategyChoice, world: World, *, is_sweep: bool = False) -> None:
    """Raise ConfigError for what cannot be with the way in which the program was started.

    Args:
        choice: of the configuration.
        world: the processes.
        is_sweep: whether the program starts jobs, each of which may have processes of its own.
    """
    processes = choice.launch.processes
    if processes is not None and is_sweep and world.is_torchrun:
        raise ConfigError(
            f"strategy.processes={processes} starts each job by torchrun, but torchrun started the "
            "sweep already: leave out one of them"
        )
    if processes is not None and not is_sweep and processes != world.size:
        raise ConfigError(
            f"strategy.processes={processes} is of sweeps (with -m), whose jobs it starts; a "
            f"single run is started by torchrun --standalone --nproc-per-node {processes} -m "
            "trainer"
        )
    if choice.name == "ddp" and not world.is_torchrun and not (is_sweep and processes):
        raise ConfigError(
            f"strategy=ddp needs torchrun: {TORCHRUN}"
            + ("; or strategy.processes=2, for the jobs of a sweep" if is_sweep else "")
        )


def communicator(world: World) -> Communicator:
    """Return what all processes find things out by, before anything was configured.

    Raises:
        LostProcess: naming those that did not come.
    """
    if world.size == 1:
        return Single(world)
    return join(world, Timeouts().start_timeout.value)
