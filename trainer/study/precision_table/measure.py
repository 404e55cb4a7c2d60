"""One measurement of a precision: a network trained for a few steps, or a few epochs, in a process
of its own."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeVar

import torch

from trainer.api import compose, train
from trainer.core.environment import World
from trainer.core.errors import ConfigError, TrainerError
from trainer.loop import Pause, fit
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.run.summary import peak_memory

T = TypeVar("T")


@dataclass(frozen=True)
class Speed:
    """What a few steps took.

    Attributes:
        images_per_s: over the timed steps; None where there were none.
        memory_bytes: peak of the device's memory, or of the process on a CPU.
        why: why there is no number: what was refused, or what went wrong.
        is_refused: whether this machine does not have the precision.
    """

    images_per_s: float | None = None
    memory_bytes: int | None = None
    why: str | None = None
    is_refused: bool = False


@dataclass(frozen=True)
class CellScore:
    """What a training run came to.

    Attributes:
        train_s: seconds of an epoch, the mean over the run's.
        top1: share of the test images.
        top5: likewise; None where there are no more than five classes.
        skipped_steps: by the loss scaler, or None.
        why: why there is no number.
        is_refused: whether this machine does not have the precision.
    """

    train_s: float | None = None
    top1: float | None = None
    top5: float | None = None
    skipped_steps: int | None = None
    why: str | None = None
    is_refused: bool = False


def measure(overrides: tuple[str, ...], warmup: int, steps: int) -> Speed:
    """Train for some steps and time the later ones; nothing is evaluated or recorded.

    Args:
        overrides: of a command line; the epoch must have more than `warmup + steps` steps.
        warmup: steps before the clock starts.
        steps: steps that are timed.
    """
    try:
        config = compose(*overrides)
        run, _ = assemble(config, *prepare(config, World()))
        events = fit(run, pause=lambda clock: clock.step in (warmup, warmup + steps))
        spent_s = []
        for _ in range(2):
            assert isinstance(next(events), Pause)
            spent_s.append(run.state.train_s)
    except ConfigError as error:
        return Speed(why=str(error), is_refused=True)
    except torch.cuda.OutOfMemoryError:
        return Speed(why="out of memory")
    images = steps * config.batch_size
    return Speed(images / (spent_s[1] - spent_s[0]), peak_memory(run.device))


def score(overrides: tuple[str, ...]) -> CellScore:
    """Train one run, recorded under `outputs/`, and return what its record says."""
    try:
        row = train(compose(*overrides, "report_test=true"), quiet=True)
    except ConfigError as error:
        return CellScore(why=str(error), is_refused=True)
    except TrainerError as error:
        return CellScore(why=str(error))
    test = row.test or {}
    seconds = [epoch.train_s for epoch in row.epochs if epoch.train_s is not None]
    return CellScore(
        train_s=sum(seconds) / len(seconds),
        top1=test["top1"],
        top5=test.get("top5"),
        skipped_steps=row.epochs[-1].skipped_steps,
    )


def apart(call: Callable[..., T], *values: object) -> T | None:
    """Return what a function returns in a fresh process, or None if that died.

    Each measurement has a process of its own: then its peak of memory is its own, and one that
    dies of too little takes no other with it. The processes are forked from a server that has
    imported this module and computed nothing.
    """
    method = "forkserver" if sys.platform == "linux" else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([__name__, "torchvision.models"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(call, *values).result()
        except BrokenProcessPool:
            return None
