"""What a sweep costs over its trainings: forty one-epoch MNIST runs, started in five ways, and a
thousand tiny jobs up to the first ones."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from scripts.bench.measure import ROOT, Table, script, spoken

TRAINING = ("data=mnist", "model=mlp", "optim=adam", "epochs=1", "batch_size=256")
PROGRAM = (sys.executable, "-m", "trainer")
ENDED = 40  # jobs of a thousand that are waited for


def tables(options: Namespace) -> Iterator[Table]:
    """Yield the tables of this file."""
    if not (options.data / "MNIST").exists():
        print(f"left out the sweep of MNIST runs: {options.data}/MNIST is not there")
    else:
        words = (*TRAINING, f"data.root={options.data}")
        lrs = [f"{1e-4 * 1.2**job:.6g}" for job in range(options.jobs)]
        swept = ("-m", *words, f"optim.lr={','.join(lrs)}")
        found: dict[str, Callable[[], float]] = {"ours": elsewhere(*PROGRAM, *swept)}
        for name in ("basic", "joblib"):
            if name == "basic" or find_spec("hydra_plugins.hydra_joblib_launcher"):
                line = (*PROGRAM, *swept, f"hydra/launcher={name}")
                found[f"Hydra's {name} launcher"] = elsewhere(*line)
        single = (*PROGRAM, *words, "threads=1", "report_test=false")
        found["a process for each"] = lambda: apart([(*single, f"optim.lr={lr}") for lr in lrs])
        by_hand = script(options, "sweep.py")
        if by_hand is not None:
            line = (sys.executable, str(by_hand), str(options.data), str(options.jobs))
            found = {"hand-written, one process": elsewhere(*line), **found}
        title = f"{options.jobs} one-epoch runs of MNIST/mlp"
        yield Table(title, "s", found, rounds=min(2, options.rounds))


def elsewhere(*command: str) -> Callable[[], float]:
    """Return what runs a command in an empty folder and returns its seconds."""

    def run() -> float:
        with tempfile.TemporaryDirectory() as here:
            start = time.perf_counter()
            spoken(command, Path(here))
            return time.perf_counter() - start

    return run


def apart(lines: list[tuple[str, ...]]) -> float:
    """Return the seconds of commands, as many at once as there are cores."""
    start = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as here,
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):
        list(pool.map(lambda line: spoken(line, Path(here)), lines))
    return time.perf_counter() - start


def thousand(jobs: int = 1000, *words: str) -> str:
    """Return what a sweep of many jobs of about a second costs, as Markdown; it is stopped after
    its first ones.

    Args:
        jobs: of the sweep.
        words: that each has besides.
    """
    lrs = ",".join(f"{1e-3 * 1.001**i:.6g}" for i in range(jobs))
    line = (*PROGRAM, "-m", f"optim.lr={lrs}", "epochs=3", *words)
    with tempfile.TemporaryDirectory() as here:
        start, env = time.perf_counter(), {**os.environ, "PYTHONPATH": str(ROOT)}
        sweep = subprocess.Popen(line, cwd=here, env=env, stdout=subprocess.DEVNULL)
        try:
            waiting(sweep, here, "*/*/*/config.yaml", 1)
            first_s = time.perf_counter() - start
            ended = waiting(sweep, here, "*/*/*/summary.json", min(ENDED, jobs))
            spent_s, memory = time.perf_counter() - start - first_s, peak_mb(sweep.pid)
            rows = [path.read_text() for path in ended]
        finally:
            sweep.send_signal(signal.SIGINT)
            sweep.wait()
    seconds = [float(text.split('"train": ')[1].split(",")[0]) for text in rows]
    workers = len(os.sched_getaffinity(0))
    over = spent_s * workers / len(rows) - statistics.fmean(seconds)
    return "\n".join(
        [
            f"## {jobs} jobs of {statistics.fmean(seconds):.2f} s of training, {workers} workers",
            "",
            f"- {first_s:.1f} s until the first started, from exec",
            f"- {memory:.0f} MB at most in the launcher",
            f"- {over:.3f} s a job over its training ({len(rows)} jobs)",
            "",
        ]
    )


def waiting(sweep: subprocess.Popen[bytes], here: str, pattern: str, count: int) -> list[Path]:
    """Return files once there are so many."""
    while True:
        found = list((Path(here) / "outputs").glob(pattern))
        if len(found) >= count:
            return found
        if sweep.poll() is not None:
            sys.exit(f"the sweep ended with {sweep.returncode} and {len(found)} of {pattern}")
        time.sleep(0.02)


def peak_mb(pid: int) -> float:
    """Return the peak memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) / 1024
