"""The device of a run, its strategy and its number format: chosen before any data is loaded."""

import contextlib
from collections.abc import Iterator

import torch

from trainer.config.run_config import RunConfig
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.data import check_batch_size
from trainer.precision.formats import fp32_precision, restore_fp32_precision
from trainer.precision.step import Precision, build_precision
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
    threads, torch's generators, how float32 numbers are multiplied."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    precision = fp32_precision()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
        torch.cuda.set_rng_state_all(cuda)
        restore_fp32_precision(precision)


def prepare(config: RunConfig, world: World) -> tuple[torch.device, Strategy, Precision]:
    """Set threads and how float32 numbers are multiplied; return device, strategy and precision:
    what can be refused before any data is loaded.

    Raises:
        ConfigError: if the machine or the way the program was started does not allow what was
            chosen.
    """
    torch.set_num_threads(config.threads)
    check_batch_size(config.batch_size, config.accumulate, world.size)
    strategy = build_strategy(config.strategy, world)

    def choose() -> tuple[torch.device, Precision]:
        device = choose_device(config.device, world)
        precision = build_precision(config.precision, device)
        strategy.take(device, precision, config.accumulate)
        return device, precision

    device, precision = on_all_ranks(strategy, choose)  # one machine may lack what another has
    return device, strategy, precision
