"""What a plan says of seconds: three steps of the run itself, or what was measured before."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from trainer.config.run_config import RunConfig
from trainer.loop import train_epoch
from trainer.run.context import RunContext, micro_batch
from trainer.run.probe import Subject, kept_probe
from trainer.run.summary import peak_memory
from trainer.state import Run

STEPS = 3  # the first of which is not timed: much is made ready in it


@dataclass(frozen=True)
class StepTime:
    """How long a step takes, and how that is known.

    Attributes:
        seconds: of a step.
        source: in words.
        memory_bytes: peak while it was measured, of the device or of this process; None where that
            was not measured.
    """

    seconds: float
    source: str
    memory_bytes: int | None = None


def probed(run: Run) -> StepTime:
    """Take three steps of a run, which is of no use afterwards, and return what they took; all its
    processes take them."""
    run = replace(run, total=max(run.total, STEPS))  # a shorter one takes as many
    times = [run.seconds_now()]
    for _ in ends_of_steps(run):
        times.append(run.seconds_now())
        if len(times) > STEPS:
            break
    spent = [after - before for before, after in itertools.pairwise(times)]
    shortest = min(spent[1:])
    source = f"the shorter of 2 steps of this run, after one to make ready ({run.device})"
    return StepTime(shortest, source, peak_memory(run.device))


def ends_of_steps(run: Run) -> Iterator[None]:
    """Train without end, yielding after each step."""
    while True:
        run.state.meter = run.new_meter()
        for _ in train_epoch(run, lambda clock: True):
            yield
        yield


def known(config: RunConfig, context: RunContext) -> StepTime | None:
    """Return what an earlier probe of this network here says of a step; None where there is
    none."""
    if config.precision.name not in ("fp32", "bf16"):
        return None
    images = micro_batch(config, context.strategy.world.size)
    threads = torch.get_num_threads() if config.threads == "auto" else config.threads
    found = kept_probe(
        Subject(
            config,
            context.device,
            context.data.image_shape,
            context.data.num_classes,
            images=images,
            work=context.work,
            threads=threads,
        )
    )
    if found is None:
        return None
    each = found.bf16_s if config.precision.name == "bf16" else found.fp32_s
    seconds = each * images / found.images * config.accumulate
    return StepTime(seconds, "an earlier probe of this network here, with plain SGD")
