"""What a run stands on: the machine, the images and its length, known before it has a network."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import torch

from trainer.config.run_config import RunConfig
from trainer.core.file_kinds import joined
from trainer.core.time_plan import UNPLANNED
from trainer.data import Batches, Source
from trainer.precision.step import Precision
from trainer.run.work import Work, work_of
from trainer.strategy.base import Strategy
from trainer.strategy.collectives import on_all_ranks

# Of an evaluation batch: a forward pass keeps few of the activations that a training step keeps.
MICRO_BATCHES, MOST_EVALUATED, EVAL_BYTES = 4, 1000, 32 * 2**20

log = logging.getLogger("trainer")


class Times(TypedDict):
    """The length of a run, as those take it that turn durations into steps."""

    total: int
    steps_per_epoch: int


@dataclass(frozen=True)
class RunContext:
    """What a run stands on.

    Attributes:
        source: all images.
        data: those of this process, as batches.
        data_s: seconds that reading them took.
        times: steps of the run and of an epoch.
        work: of one image's forward pass, None where shapes alone do not tell it.
    """

    config: RunConfig
    device: torch.device
    strategy: Strategy
    precision: Precision
    source: Source
    data: Batches
    data_s: float
    times: Times
    work: Work | None

    @property
    def smallest_batch(self) -> int:
        """The fewest images that a training forward pass of a full batch may see."""
        images = min(self.config.batch_size, self.data.epoch_images)
        return images // (self.config.accumulate * self.strategy.world.size)


def settle(
    config: RunConfig, device: torch.device, strategy: Strategy, precision: Precision
) -> RunContext:
    """Read the images and return what the run stands on.

    Raises:
        ConfigError: if a setting does not fit the images.
        DataError: if images are missing or damaged.
    """
    start = time.perf_counter()
    is_first = strategy.world.local_rank == 0  # of its machine: it reads first, and may download
    first = on_all_ranks(strategy, lambda: read_images(config) if is_first else None)
    source = on_all_ranks(strategy, lambda: first or read_images(config))
    _, channels, height, width = source.train.images.shape
    build, shape = config.model.component.build, (channels, height, width)
    work = work_of(lambda: build(shape, len(source.classes)), shape)
    data = Batches(
        source,
        config.data.shared,
        batch_size=config.batch_size,
        accumulate=config.accumulate,
        seed=config.seed,
        rank=strategy.world.rank,
        world_size=strategy.world.size,
        device=device,
        eval_batch_size=eval_batch_size(config, strategy.world.size, work),
        partners=config.mix.shared.partners == "independent",
        label_noise=config.label_noise,
    )
    data_s = time.perf_counter() - start
    if strategy.world.rank == 0:
        if data.num_val >= len(source.classes):  # of fewer, nothing else is to be expected
            say_missing("validation", data.val_counts, source.classes)
        if config.report_test:
            say_missing("test", data.test_counts, source.classes)
    per_epoch = data.steps_per_epoch
    times = Times(total=planned_steps(config, per_epoch), steps_per_epoch=per_epoch)
    return RunContext(config, device, strategy, precision, source, data, data_s, times, work)


def eval_batch_size(config: RunConfig, world_size: int, work: Work | None = None) -> int:
    """Return how many images a process evaluates at once: what is not chosen is what fits into the
    memory that a training step needs, or more of a network that takes little."""
    if config.eval_batch_size is not None:
        return config.eval_batch_size
    fitting = 0 if work is None else EVAL_BYTES // max(1, work.largest_bytes)
    least = MICRO_BATCHES * micro_batch(config, world_size)
    return max(1, min(max(least, fitting), MOST_EVALUATED))


def micro_batch(config: RunConfig, world_size: int) -> int:
    """Return the images of a full micro-batch of one process."""
    return config.batch_size // (config.accumulate * world_size)


def say_missing(what: str, counts: Sequence[int], classes: Sequence[str]) -> None:
    """Say in one line which classes have no image of a split to be evaluated on, where others
    have."""
    missing = [name for name, count in zip(classes, counts, strict=True) if not count]
    if missing and len(missing) < len(classes):
        log.warning("no %s image of class %s", what, joined(missing, 5))


_kept: dict[tuple[Any, str], Source] | None = None  # of the data set read last, in a warm process


def keep_images() -> None:
    """Keep the images that are read from now on for the next run in this process, as long as it
    asks for the same."""
    global _kept
    _kept = {}


def read_images(config: RunConfig) -> Source:
    """Return the images that a configuration names."""
    component, root = config.data.component, config.data.shared.root
    if _kept is None:
        return component.read(root)
    if (component, root) not in _kept:
        _kept.clear()  # one data set at a time
        _kept[component, root] = component.read(root)
    return _kept[component, root]


def planned_steps(config: RunConfig, steps_per_epoch: int) -> int:
    """Return the steps of the run, at least one; `UNPLANNED` where they follow from a time."""
    if config.max_time is not None:
        return UNPLANNED
    if config.time_plan is not None:  # what trains goes through all of it
        return UNPLANNED if config.task.name == "train" else config.time_plan.total
    steps = max(1, math.floor(config.epochs * steps_per_epoch + 0.5))
    return steps if config.max_steps is None else min(steps, config.max_steps)
