"""Signals during evaluations: `torchrun --nproc-per-node 2 -m tests.stopping OUT` stops and resumes
runs of two processes; tests of one process use the same parts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch.distributed as dist

from tests.chaos.trial import UNEQUAL, plain_digest
from tests.command import TINY
from trainer import compose
from trainer.checkpoint import format as checkpoint
from trainer.checkpoint.format import digest
from trainer.core.environment import World
from trainer.core.errors import Stopped
from trainer.data._batches import Batches
from trainer.data.base import Batch
from trainer.record.runs import read_summary
from trainer.run.execute import execute
from trainer.run.request import RunRequest
from trainer.strategy.failures import reporting_failures

# Validation, the average's statistics and its validation at each of two epochs' ends; at the run's
# end the statistics again and two tests: several batches each.
LINE = (
    *(word for word in TINY if not word.startswith("model")),
    *("model=cnn", "model.width=4", "data.val=20", "data.num_test=20", "average=swa"),
    *("average.start=1st", "average.every=1st", "scheduler=plateau", "scheduler.patience=0ep"),
    *("checkpoint.every=1st", "checkpoint.keep=all"),
)

# The rank that a signal comes to, and the number of its batch. An epoch's evaluation has batches
# of validation, of the average's statistics and of its validation: 3, 3, 3 in rank 0, and 4, 0, 4
# in rank 1.
STOPS = ((1, 2), (0, 5), (1, 8), (0, 14), (0, 20), (1, 18), (0, 26))

EVALUATED = ("val_batches", "test_batches", "clean_train_batches")


@contextlib.contextmanager
def watched(on_batch: Callable[[], None], repeat: int = 1) -> Iterator[None]:
    """Call a function with every batch that an evaluation reads, which is read several times."""
    plain = {name: getattr(Batches, name) for name in EVALUATED}

    def watching(read: Callable[..., Iterator[Batch]]) -> Callable[..., Iterator[Batch]]:
        def batches(self: Batches, *args: Any) -> Iterator[Batch]:
            for batch in read(self, *args):
                for _ in range(repeat):
                    on_batch()
                    yield batch

        return batches

    try:
        for name, read in plain.items():
            setattr(Batches, name, watching(read))
        yield
    finally:
        for name, read in plain.items():
            setattr(Batches, name, read)


@contextlib.contextmanager
def counted(
    stop_at: int | None = None, signum: int = signal.SIGTERM, repeat: int = 3
) -> Iterator[list[int]]:
    """Count the batches that evaluations read; while one of them is read a signal comes."""
    seen = [0]

    def count() -> None:
        seen[0] += 1
        if seen[0] == stop_at:
            os.kill(os.getpid(), signum)

    with watched(count, repeat):
        yield seen


def held(run: Path) -> dict[str, Any]:
    """Return what a run's last checkpoint holds, but times."""
    found = checkpoint.newest(run / "checkpoints")[0]
    assert found is not None
    state = {k: plain_digest(v) for k, v in found.state().items() if k not in UNEQUAL}
    return {**state, "step": found.step, "weights": digest(found.weights(), found.averaged())}


def main(out: Path) -> None:
    """Stop and resume runs, and write what each process saw and what the checkpoints held."""
    world = World.from_environment()
    config = compose(*LINE, "strategy=ddp")
    repeat = 3 + world.rank  # their numbers of batches differ
    with counted(repeat=repeat), reporting_failures():
        execute(RunRequest(config, folder=str(out / "whole"), quiet=True))
    seen_at, held_at, codes = [], [], []
    for rank, number in STOPS:
        run = out / f"run-{rank}-{number}"
        stop_at = number if world.rank == rank else None
        with (
            contextlib.suppress(Stopped),
            counted(stop_at, signal.SIGUSR1, repeat) as seen,
            reporting_failures(),
        ):
            execute(RunRequest(config, folder=str(run), quiet=True))
        dist.barrier()  # rank 0 alone writes the summary
        codes.append(read_summary(run)["exit_code"])
        seen_at.append(seen[0])
        held_at.append(held(run))
        with counted(repeat=repeat), reporting_failures():
            execute(RunRequest(config, resume=run, quiet=True))
    found = {"seen": seen_at, "held": held_at, "codes": codes}
    (out / f"seen-{world.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
