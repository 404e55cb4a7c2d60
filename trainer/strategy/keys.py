"""What the names of `strategy=` mean, and the keys that each of them has."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from trainer.core.convert import build, check_known, plain
from trainer.core.errors import ConfigError, unknown
from trainer.core.units import Seconds


@dataclass(frozen=True)
class Timeouts:
    """How long processes wait for one another.

    Attributes:
        start_timeout: until all have come, have read the images and are ready for the first step.
        timeout: at every exchange from then on. The run then ends, naming the process that did not
            answer.
    """

    start_timeout: Seconds = Seconds(300)
    timeout: Seconds = Seconds(60)


@dataclass(frozen=True)
class Exchange:
    """How `DistributedDataParallel` exchanges gradients.

    Attributes:
        bucket_view: gradients are views of the exchanged buffers, which saves a copy; the numbers
            are the same.
        static_graph: the same parameters take part in every step, so that torch plans the exchange
            once; the numbers are the same.
        compress: number format in which gradients are exchanged: `none` (their own), `bf16`,
            `fp16`. They are divided by the number of processes before they are rounded.
        sync_batch_norm: BatchNorm in training takes mean and variance over the batches of all
            processes, by `torch.nn.SyncBatchNorm`; on GPUs only.
    """

    bucket_view: bool = True
    static_graph: bool = False
    compress: Literal["none", "bf16", "fp16"] = "none"
    sync_batch_norm: bool = False


@dataclass(frozen=True)
class Launch:
    """How a sweep starts its jobs.

    Attributes:
        processes: of each job, started by torchrun; None for jobs of one process and for a single
            run.
    """

    processes: int | None = None

    def __post_init__(self) -> None:
        if self.processes is not None and self.processes < 1:
            raise ConfigError(f"strategy.processes must be at least 1, got {self.processes}")


# The classes that hold the keys of each name.
KEYS: Mapping[str, tuple[type[Any], ...]] = {
    "auto": (Timeouts, Launch),
    "single": (),
    "dp": (),
    "ddp": (Timeouts, Exchange, Launch),
}


@dataclass(frozen=True)
class StrategyChoice:
    """What the configuration chose.

    Attributes:
        name: one of `KEYS`.
        timeouts: at their defaults where the name has no such keys, like `exchange` and `launch`.
    """

    name: str = "auto"
    timeouts: Timeouts = Timeouts()
    exchange: Exchange = Exchange()
    launch: Launch = Launch()

    def parts(self) -> tuple[Any, ...]:
        """Return the objects that hold the keys."""
        return self.timeouts, self.exchange, self.launch

    def plain(self) -> dict[str, Any]:
        """Return the choice as its YAML holds it."""
        parts = [part for part in self.parts() if type(part) in KEYS[self.name]]
        keys = {f.name: plain(getattr(part, f.name)) for part in parts for f in fields(part)}
        return {"name": self.name, **keys}

    def changed(self) -> list[str]:
        """Return the dotted keys that are not at their defaults."""
        before = StrategyChoice(self.name).plain()
        return [f"strategy.{k}" for k, v in self.plain().items() if v != before[k]]


def parse_strategy(values: Mapping[str, Any]) -> StrategyChoice:
    """Return the choice that a mapping of `name` and keys describes.

    Raises:
        ConfigError: naming the key, the value and what is allowed.
    """
    keys = dict(values)
    name = keys.pop("name", None)
    if name not in KEYS:
        raise unknown("strategy", str(name), KEYS)
    names = {cls: [f.name for f in fields(cls)] for cls in KEYS[name]}
    check_known(keys, ("name", *(key for found in names.values() for key in found)), "strategy")
    made = {
        cls: build(cls, {k: keys[k] for k in found if k in keys}, "strategy")
        for cls, found in names.items()
    }
    return StrategyChoice(
        name,
        made.get(Timeouts, Timeouts()),
        made.get(Exchange, Exchange()),
        made.get(Launch, Launch()),
    )
