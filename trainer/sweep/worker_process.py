"""A worker as the sweep sees it: its process, the pipe to it, and the signs of life it gives."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from trainer.core.environment import variables
from trainer.core.signals import HANDLED
from trainer.sweep.messages import Beat, JobTask
from trainer.sweep.worker import serve

WARM = [  # torch._dynamo: the first optimizer of a process imports it
    *("trainer.sweep.worker", "torch._dynamo", "torch.utils.tensorboard", "torch.optim.sgd"),
    "torchvision",
]

LEAST_SHARE = 0.01  # of a core, below which a job that makes no step shows no progress


@dataclass
class Worker:
    """A worker's process and what it is at.

    Attributes:
        devices: value of `CUDA_VISIBLE_DEVICES`, None to leave it as it is.
        process: its own.
        pipe: to it.
        task: the job under way, or None.
        last: number of the job that it was given last, -1 before the first.
        since: when it was given that job, in seconds of `time.monotonic`.
        beat: the last sign of life.
        alive_at: when it last showed progress.
    """

    devices: str | None
    process: BaseProcess
    pipe: Connection
    task: JobTask | None = None
    last: int = -1
    since: float = 0.0
    beat: Beat | None = None
    alive_at: float = 0.0

    def give(self, task: JobTask) -> None:
        """Let it do a job."""
        self.task, self.last, self.beat = task, task.number, None
        self.since = self.alive_at = time.monotonic()
        self.pipe.send(task)

    def end(self) -> None:
        """End its process at once, whatever it is at."""
        self.pipe.close()
        self.process.kill()
        self.process.join()

    def note(self, beat: Beat) -> None:
        """Take a sign of life: a step made, or the processor used, is progress."""
        last, now = self.beat, time.monotonic()
        used_s = beat.cpu_s - (last.cpu_s if last else 0.0)
        if last is None or beat.step != last.step or used_s > LEAST_SHARE * (now - self.alive_at):
            self.beat, self.alive_at = beat, now


def can_fork() -> bool:
    """Return whether workers are forked from a process that has imported what they need and done
    nothing else; elsewhere each imports for itself."""
    return "forkserver" in multiprocessing.get_all_start_methods()


def warm_up() -> None:
    """Let the imports of the workers begin, while the sweep looks at its jobs.

    What forks them outlives signals to the group of processes, as they come from a keyboard,
    `timeout` and batch systems: the sweep still needs it to end its jobs in good order.
    """
    if can_fork():
        forkserver.set_forkserver_preload(WARM)
        with signals_ignored():  # which is inherited
            forkserver.ensure_running()


@contextlib.contextmanager
def signals_ignored() -> Iterator[None]:
    """Ignore signals that stop a run for a moment, where this is the thread that may say so."""
    is_main = threading.current_thread() is threading.main_thread()
    numbers = [signal.Signals[name] for name in HANDLED] if is_main else []
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Keep `multiprocessing` from running this program's script once more in a new process, where
    it would start a sweep of its own; workers need nothing of it."""
    main = sys.modules["__main__"]
    spec, file = main.__spec__, main.__dict__.pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file


def new_worker(devices: str | None) -> Worker:
    """Start a worker, with a value of `CUDA_VISIBLE_DEVICES`, or None to leave it as it is."""
    here, there = multiprocessing.Pipe()
    environment = variables(CUDA_VISIBLE_DEVICES=devices)
    arguments = (there, environment, os.getcwd())
    context: Any = multiprocessing.get_context("forkserver" if can_fork() else "spawn")
    process: BaseProcess = context.Process(target=serve, args=arguments)
    warm_up()
    with without_main():
        process.start()
    there.close()
    return Worker(devices, process, here)
