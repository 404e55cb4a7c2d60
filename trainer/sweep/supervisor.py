"""A sweep on this machine: what is done already, who does the rest, and what came of it."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from trainer.checkpoint import format as checkpoint
from trainer.config.run_config import RunConfig
from trainer.core.environment import cores, visible_gpus
from trainer.core.errors import Stopped
from trainer.core.signals import Stops
from trainer.record.console import Console, shown_path
from trainer.record.runs import read_run
from trainer.sweep.jobs import Job, Sweep, outputs_of
from trainer.sweep.linting import say_odd
from trainer.sweep.locks import link, registered
from trainer.sweep.messages import DONE, REUSED, STOPPED, Ended, JobTask, KeyRequest
from trainer.sweep.plan import Launcher
from trainer.sweep.pool import Pool
from trainer.sweep.progress import Result, SweepProgress
from trainer.sweep.results import swept_keys
from trainer.sweep.reuse import (
    Finished,
    finished_runs,
    is_result,
    is_same_but_sources,
    places_beside,
)


def supervise(
    jobs: Sequence[Job],
    folder: Path,
    console: Console,
    launcher: Launcher,
    current: Sweep,
) -> dict[int, Result]:
    """Do what is missing of a sweep, and return the record of every job, or what went wrong.

    Raises:
        Stopped: after a signal; the jobs under way have written a checkpoint.
    """
    with Stops() as stops:
        varied = swept_keys(jobs)
        results: dict[int, Result] = {
            job.number: job.error if job.config is None else result_of(job, folder, console)
            for job in jobs
            if job.config is None or is_result(folder / str(job.number))
        }
        todo = [job for job in jobs if job.number not in results]
        if todo:
            pool = pool_for([job.config for job in todo if job.config is not None], launcher)
            by_number = {job.number: job for job in jobs}
            progress = SweepProgress(console, by_number, varied, results, pool.count)
            do_rest(todo, folder, pool, progress, stops=stops, current=current)
        if todo and stops.signum:
            missing = sum(job.number not in results for job in jobs)
            raise Stopped(
                f"the sweep was stopped with {missing} of {len(jobs)} jobs to do; to go on:\n"
                f"  {current.again(folder)}",
                stops.signum,
            )
    return results


def do_rest(
    jobs: Sequence[Job],
    folder: Path,
    pool: Pool,
    progress: SweepProgress,
    *,
    stops: Stops,
    current: Sweep,
) -> None:
    """Have the remaining jobs done, until a signal ends that."""
    configs = tuple(job.config for job in jobs if job.config is not None)
    root = root_of(folder, outputs_of(configs))
    with registered(root):
        try:
            pool.start()
            keys = pool.keys(KeyRequest(configs), lambda: stops.signum)
            tasks = [
                JobTask(
                    job.number,
                    config,
                    job.overrides,
                    folder / str(job.number),
                    key,
                    root,
                    current.reuse,
                )
                for job, config, key in zip(jobs, configs, keys, strict=True)
            ]
            if current.reuse and not stops.signum:
                tasks = without_finished(tasks, folder, progress)
            if current.lint and not stops.signum:
                wanted = [task.config for task in tasks]
                every = list(progress.jobs.values())
                say_odd(wanted, every, pool, progress.console, lambda: stops.signum)
            report_restarts(tasks, progress.console)
            progress.begin()
            pool.run(
                tasks,
                lambda end: record_end(end, folder, pool, progress),
                lambda: stops.signum,
                lambda: progress.look(pool.workers),
            )
        finally:
            progress.end()
            pool.close()


def result_of(job: Job, folder: Path, console: Console) -> Result:
    """Return the result that a sweep's folder holds of a job.

    A result of other overrides, as where the list of jobs was changed by hand, is reported: it
    stands, but not for this job.
    """
    path = folder / str(job.number)
    row = read_run(path)
    recorded = row.summary.get("overrides")
    if path.is_symlink() or recorded is None or set(recorded) == set(job.overrides):
        return row
    problem = f"{shown_path(path)} holds the result of other words: {' '.join(map(str, recorded))}"
    console.say(f"job {job.number} ({' '.join(job.overrides)}): {problem}", style="red")
    return problem


def root_of(folder: Path, outputs: Path) -> Path:
    """Return the folder in which the jobs of a sweep are locked: that of all results where it lies
    in there, so that other sweeps know of it, else its own."""
    outputs = outputs.absolute()
    return outputs if folder.is_relative_to(outputs) else folder


def pool_for(configs: Sequence[RunConfig], launcher: Launcher) -> Pool:
    """Return workers for jobs: one per GPU or group of GPUs, else as many as the cores have room
    for, as each job has so many threads in so many processes."""
    processes = max(config.strategy.launch.processes or 1 for config in configs)
    width = processes * max(int(config.threads) for config in configs)
    devices = gpus(configs, processes)
    count = launcher.workers or (len(devices) if devices else max(1, cores() // width))
    if any(config.device not in ("auto", "cpu", "cuda") for config in configs):
        count, devices = launcher.workers or 1, None  # a device that all of them name
    if devices:
        devices = [devices[i % len(devices)] for i in range(count)]
    return Pool(min(count, len(configs)), launcher.timeout.value, devices)


def gpus(configs: Sequence[RunConfig], processes: int) -> list[str] | None:
    """Return groups of GPUs, as `CUDA_VISIBLE_DEVICES` names them; None where the jobs use none."""
    if all(config.device == "cpu" for config in configs) or not torch.cuda.is_available():
        return None
    named = visible_gpus()
    names = named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]
    groups = [names[i : i + processes] for i in range(0, len(names), processes)]
    return [",".join(group) for group in groups if len(group) == processes] or None


def without_finished(
    tasks: Sequence[JobTask], folder: Path, progress: SweepProgress
) -> list[JobTask]:
    """Return the jobs that nobody has done yet; link the others to their results, and say so."""
    outputs = outputs_of(task.config for task in tasks)
    finished = finished_runs(*places_beside(folder, outputs))
    reused: Counter[Path] = Counter()
    missing = []
    for task in tasks:
        found = finished.by_key.get(task.key or "")
        if found is None:
            missing.append(task)
        else:
            link(task.folder, found)
            progress.results[task.number] = read_run(found)
            reused[found.parent] += 1
    if reused:
        places = ", ".join(shown_path(place) for place in reused)
        count, total = sum(reused.values()), len(progress.jobs)
        progress.console.say(f"reused {count} of {total} from {places}", style="yellow")
    report_outdated(missing, finished, progress.console)
    return missing


def report_restarts(tasks: Sequence[JobTask], console: Console) -> None:
    """Say which jobs that were stopped cannot go on from their checkpoints, and why."""
    for task in tasks:
        found, _ = checkpoint.newest(task.folder / "checkpoints")
        if found is not None and task.key is not None and found.manifest.get("key") != task.key:
            console.say(
                f"job {task.number} begins anew: its checkpoint of step {found.step} was made by "
                "other sources or versions, or from other images or weights",
                style="yellow",
            )


def report_outdated(tasks: Sequence[JobTask], finished: Finished, console: Console) -> None:
    """Say how many jobs are done again though they look finished, and why."""
    count = 0
    for task in tasks:
        path = finished.by_overrides.get(frozenset(task.overrides))
        if path is not None and task.key is not None:
            count += is_same_but_sources(path, task.config)
    if count:
        console.say(
            f"not reused: finished runs of {count} of these configurations, made by other sources "
            "or versions, or from other images or weights",
            style="yellow",
        )


def record_end(end: Ended, folder: Path, pool: Pool, progress: SweepProgress) -> None:
    """Keep how a job ended, and show it."""
    path = folder / str(end.number)
    since = next((w.since for w in pool.workers if w.last == end.number), None)
    seconds = None if since is None else time.monotonic() - since
    if end.how == REUSED and end.path is not None:
        link(path, end.path)
        progress.finished(end.number, read_run(end.path), None)
    elif end.how == DONE:
        progress.finished(end.number, read_run(path), seconds)
    elif end.how != STOPPED:
        progress.finished(end.number, end.message, seconds)
