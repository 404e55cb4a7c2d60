"""`strategy=ddp`: one process per device, gradients averaged at each step."""

import contextlib
import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.nn.modules.batchnorm import _BatchNorm

from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.precision.step import Precision
from trainer.strategy.keys import StrategyChoice
from trainer.strategy.process_group import Collectives, ProcessGroup

PLAIN_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

HOOKS = {"bf16": default_hooks.bf16_compress_hook, "fp16": default_hooks.fp16_compress_hook}


class Ddp(Collectives):
    """`torch.nn.parallel.DistributedDataParallel`: one process per device, gradients averaged at
    each step.

    "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", arXiv:2006.15704.

    Parameters are equal on all ranks. BatchNorm's running statistics are each rank's own until they
    are evaluated.

    Args:
        world: the processes.
        group: of these processes.
        choice: the options.
    """

    def __init__(self, world: World, group: ProcessGroup, choice: StrategyChoice) -> None:
        self.world, self.group, self.choice = world, group, choice
        self.is_wrapped = False

    def take(self, device: torch.device, precision: Precision, accumulate: int) -> None:
        """Set the device; raise ConfigError for options that do not work with the arguments."""
        self.devices: tuple[torch.device, ...] = (device,)
        if device.type == "mps":
            raise ConfigError("strategy=ddp does not exist on device=mps; use device=cpu")
        if self.choice.exchange.sync_batch_norm and device.type != "cuda":
            raise ConfigError(
                f"strategy.sync_batch_norm=true needs GPUs, got device={device.type}: "
                "torch.nn.SyncBatchNorm has no CPU version; leave it out, or use a model without "
                "BatchNorm, which gives one process's weights"
            )
        if self.choice.exchange.static_graph and accumulate > 1:
            raise ConfigError(
                f"strategy.static_graph=true does not work with accumulate={accumulate}: torch "
                "plans the exchange in the first backward pass, which here exchanges nothing"
            )
        compress = self.choice.exchange.compress
        has_halves = precision.format.has_half_copy or precision.dtype == torch.float16
        if compress != "none" and has_halves:
            raise ConfigError(
                f"strategy.compress={compress} has no effect with precision={precision.name}, "
                "whose gradients have 16 bits already: leave it out"
            )

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model in its wrapper, again after parts of it were frozen. Buffers are each
        process's own: only the first wrapper makes them equal."""
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
            model = with_sync_batch_norm(model)
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
        """Wait at most `strategy.timeout` from now on."""
        self.group.wait_at_most(self.choice.timeouts.timeout.value)


def with_sync_batch_norm(model: nn.Module) -> nn.Module:
    """Return a copy of a model, in training mode, with `torch.nn.SyncBatchNorm` as its BatchNorm.

    The copy shares every parameter and buffer with the model, which itself stays as it is: it is
    what is evaluated, averaged and saved.

    Raises:
        ConfigError: for a model without BatchNorm, or with one whose statistics are of parts of a
            batch on purpose.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        raise ConfigError("strategy.sync_batch_norm=true has no effect: the model has no BatchNorm")
    odd = next((m for m in norms if type(m) not in PLAIN_NORMS), None)
    if odd is not None:
        raise ConfigError(
            f"strategy.sync_batch_norm=true would undo the model's {type(odd).__name__}, whose "
            "statistics are of parts of a batch: choose one of them"
        )
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
    return convert(copy.deepcopy(model, shared)).train()
