"""Many short runs in a few processes that are started once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from trainer.analysis.compare import Arm as RunArm
from trainer.api import compose
from trainer.errors import Diverged, TrainerError
from trainer.record import read_run
from trainer.run import Order, execute
from trainer.study.demos.spec import Arm, Demo, merged

Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        words: of its command line.
        folder: of its record.
    """

    words: tuple[str, ...]
    folder: Path


Chain = tuple[Job, ...]  # jobs that one process runs one after the other


def jobs_of(demo: Demo, arm: Arm, folder: Path, seeds: Sequence[int]) -> list[Job]:
    """Return the runs of an arm, one for each seed."""
    place = folder / f"{demo.arms.index(arm)}_{slug(arm.label)}"
    return [Job(merged((*demo.words(arm), f"seed={s}")), place / str(s)) for s in seeds]


def slug(label: str) -> str:
    """Return a label as a folder's name."""
    return "".join(c if c.isalnum() or c in ".-" else "_" for c in label)


def run_arms(demo: Demo, folder: Path, seeds: Sequence[int], workers: int, say: Say) -> None:
    """Run every arm with every seed, seed by seed, so that a machine's moods hit all arms alike."""
    arms = [jobs_of(demo, arm, folder, seeds) for arm in demo.arms]
    run_chains([(job,) for jobs in zip(*arms, strict=True) for job in jobs], workers, say)


def read_arms(demo: Demo, folder: Path, seeds: Sequence[int]) -> list[RunArm]:
    """Return what the runs of every arm recorded."""
    return [
        RunArm(
            arm.label, {}, tuple(read_run(job.folder) for job in jobs_of(demo, arm, folder, seeds))
        )
        for arm in demo.arms
    ]


def run_chains(chains: Sequence[Chain], workers: int, say: Say) -> None:
    """Run chains of jobs, each in one process; with a single worker, in this one.

    Raises:
        TrainerError: if a run fails otherwise than by diverging, or a process dies.
    """
    total, done = sum(len(chain) for chain in chains), 0
    if workers <= 1:
        for chain in chains:
            run_chain(chain)
            done += len(chain)
            say(f"{done} of {total} runs")
        return
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(workers, mp_context=context, initializer=warm_up) as pool:
        futures = {pool.submit(run_chain, chain): chain for chain in chains}
        try:
            for future in as_completed(futures):
                future.result()
                done += len(futures[future])
                say(f"{done} of {total} runs")
        except BrokenProcessPool as error:
            raise TrainerError(f"a process died after {done} of {total} runs") from error
        finally:
            pool.shutdown(cancel_futures=True)


def warm_up() -> None:
    """Import what every run needs, before the first."""
    import torch
    import torch.utils.tensorboard

    torch.set_num_threads(1)


def run_chain(chain: Chain) -> None:
    """Run jobs one after the other; one that diverges is a result."""
    for job in chain:
        try:
            execute(Order(compose(*job.words), job.words, folder=str(job.folder), quiet=True))
        except Diverged:
            continue
