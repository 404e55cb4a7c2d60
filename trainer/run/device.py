"""The device of a run, its strategy and its number format: chosen before any data is loaded."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from trainer.config.run_config import RunConfig
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.data import SMALLEST, check_batch_size
from trainer.precision.formats import PrecisionChoice, fp32_precision, restore_fp32_precision
from trainer.precision.half_copy import cast_inputs_and_logits
from trainer.precision.step import Precision, build_precision
from trainer.run.work import may_have_batch_norm
from trainer.strategy.base import Strategy
from trainer.strategy.build import build_strategy
from trainer.strategy.collectives import on_all_ranks


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


@contextlib.contextmanager
def settings_restored() -> Iterator[None]:
    """Put back what a run sets for its whole process, for a program that has other work as well:
    threads, torch's generators, how float32 numbers are multiplied, whether the smallest are 0."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    precision, flushes = fp32_precision(), flushes_denormals()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
        torch.cuda.set_rng_state_all(cuda)
        restore_fp32_precision(precision)
        torch.set_flush_denormal(flushes)


def flushes_denormals() -> bool:
    """Return whether this thread takes numbers that are too small for full precision as 0."""
    return float(torch.tensor(1e-40) * 1.0) == 0.0


def prepare(config: RunConfig, world: World) -> tuple[torch.device, Strategy, Precision]:
    """Set threads and how this process takes float32 numbers; return device, strategy and
    precision: what can be refused before any data is loaded.

    Raises:
        ConfigError: if the machine or the way the program was started does not allow what was
            chosen.
    """
    torch.set_flush_denormal(True)  # numbers below 1e-38 take a processor a hundred times as long
    if config.threads != "auto":
        torch.set_num_threads(config.threads)
    check_micro_batch(config, world.size)
    strategy = build_strategy(config.strategy, world)

    def choose() -> tuple[torch.device, Precision]:
        device = choose_device(config.device, world)
        is_open = config.precision.name == "auto"  # until the network's shapes are known
        precision = build_precision(PrecisionChoice() if is_open else config.precision, device)
        strategy.take(device, precision, config.accumulate)
        return device, precision

    device, precision = on_all_ranks(strategy, choose)  # one machine may lack what another has
    return device, strategy, precision


def check_micro_batch(config: RunConfig, num_processes: int) -> None:
    """Raise ConfigError if a step cannot be cut into micro-batches as large as the network needs:
    of two images with BatchNorm, else of one. Needs no data."""
    parts = config.accumulate * num_processes
    is_single = config.batch_size // parts == 1  # else there is no need to build a network
    is_enough = is_single and not may_have_batch_norm(config.model.component.build)
    least = 1 if is_enough else SMALLEST
    check_batch_size(config.batch_size, config.accumulate, num_processes, least=least)


def place(model: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Return a network where and as the run computes."""
    model = model.to(device, dtype)
    model = model.to(memory_format=layout_for(model))
    if dtype == torch.float16:
        cast_inputs_and_logits(model)
    return model


def layout_for(model: nn.Module) -> torch.memory_format:
    """Return the layout of images and weights that helps a network."""
    is_convolutional = any(isinstance(m, nn.Conv2d) for m in model.modules())
    return torch.channels_last if is_convolutional else torch.contiguous_format
