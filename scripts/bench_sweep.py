"""What a sweep costs over its trainings: forty one-epoch MNIST runs, started in four ways.

Usage: python -m scripts.bench_sweep [--reference DIR] [--data DIR] [--jobs 40] [--rounds 1]

The four: `sweep.py` of the reference folder (a hand-written loop, all jobs in one process), this
program's own launcher, Hydra's basic launcher, and one process per job, as many at once as our
launcher has workers. Rounds are interleaved; each figure is the median over rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRAINING = ("data=mnist", "model=mlp", "optim=adam", "epochs=1", "batch_size=256")


def call(overrides: Sequence[str], cwd: Path) -> None:
    """Run a command to its end, without what this one was told of threads."""
    env = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(overrides, cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(overrides)}\n{done.stdout}{done.stderr}")


def ways(reference: Path, data: Path, jobs: int) -> dict[str, Callable[[Path], None]]:
    """Return how the jobs can be started, each given an empty folder to work in."""
    program = (sys.executable, "-m", "trainer")
    overrides = (*TRAINING, f"data.root={data}")
    lrs = [f"{1e-4 * 1.2**job:.6g}" for job in range(jobs)]
    swept = f"optim.lr={','.join(lrs)}"

    def one_process_each(here: Path) -> None:
        lines = [
            (*program, *overrides, "threads=1", "report_test=false", f"optim.lr={lr}") for lr in lrs
        ]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(lambda line: call(line, here), lines))

    found: dict[str, Callable[[Path], None]] = {
        "ours": lambda here: call((*program, "-m", *overrides, swept), here),
        "hydra_basic": lambda here: call(
            (*program, "-m", *overrides, swept, "hydra/launcher=basic"), here
        ),
        "process_per_job": one_process_each,
    }
    script = reference / "sweep.py"
    if script.exists():
        command = (sys.executable, str(script), str(data), str(jobs))
        found = {"hand_written": lambda here: call(command, here), **found}
    else:
        print(f"left out the hand-written loop: {script} is not there")
    return found


def main() -> None:
    """Measure, print jobs per minute and ratios, and write them as JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="holds MNIST/raw")
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="of the four ways, by name")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    data = options.data.absolute()
    found = ways(options.reference.absolute(), data, options.jobs)
    chosen = {name: way for name, way in found.items() if name in (options.only or found)}
    spent: dict[str, list[float]] = {name: [] for name in chosen}
    for _ in range(options.rounds):
        for name, way in chosen.items():
            with tempfile.TemporaryDirectory(prefix="bench-sweep-") as here:
                start = time.perf_counter()
                way(Path(here))
                spent[name].append(time.perf_counter() - start)
    seconds = {name: statistics.median(values) for name, values in spent.items()}
    base = seconds.get("hand_written")
    print(f"{'':18}{'seconds':>10}{'jobs/min':>10}{'s a job over':>14}{'times':>8}")
    for name, value in seconds.items():
        over = "" if base is None else f"{(value - base) / options.jobs:14.3f}{value / base:8.2f}"
        print(f"{name:18}{value:10.1f}{60 * options.jobs / value:10.1f}{over}")
    if options.json:
        figures = {"jobs": options.jobs, "rounds": options.rounds, "seconds": spent}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
