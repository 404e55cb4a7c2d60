"""Speed as multiples of hand-written loops: one process run, interleaved, medians of five.

Usage: python -m scripts.bench [--reference DIR] [--data DIR] [--rounds 5]

Three figures: an MNIST training epoch of `model=mlp` against `mnist_mlp.py` of the reference
folder; `--help`; and the first training step of the default job over `bare_step.py`, in seconds
and megabytes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST_STEP = """
import resource, sys, time
start = time.perf_counter()
from trainer import compose
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.core.environment import World
from trainer.loop import Pause, fit
config = compose("max_steps=2")
run, _ = assemble(config, *prepare(config, World()))
assert isinstance(next(fit(run, pause=lambda clock: True)), Pause)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@contextlib.contextmanager
def arguments(*overrides: str) -> Iterator[io.StringIO]:
    """Run a block as if called with a command line, keeping what it prints."""
    before, out = sys.argv, io.StringIO()
    sys.argv = list(overrides)
    try:
        with contextlib.redirect_stdout(out):
            yield out
    finally:
        sys.argv = before


def reference_epochs(script: Path, data: Path) -> list[float]:
    """Return seconds per epoch of the hand-written loop, as it prints them."""
    with arguments(str(script), str(data)) as out:
        runpy.run_path(str(script), run_name="__main__")
    return [float(line) for line in out.getvalue().split()]


def our_epochs(data: Path, epochs: int) -> list[float]:
    """Return seconds per epoch of the same training here, records left out on both sides."""
    from trainer import compose
    from trainer.core.environment import World
    from trainer.loop import EpochRecord, fit
    from trainer.run.assemble import assemble
    from trainer.run.device import prepare

    overrides = [
        "data=mnist",
        f"data.root={data}",
        "model=mlp",
        "optim=adam",
        "batch_size=256",
        f"epochs={epochs}",
    ]
    config = compose(*overrides, "threads=2")
    run, _ = assemble(config, *prepare(config, World()))
    return [event.train_s for event in fit(run) if isinstance(event, EpochRecord)]


def spoken(command: list[str], **more: object) -> str:
    """Return what a command prints."""
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=ROOT, **more
    ).stdout  # type: ignore[call-overload,no-any-return]


def timed_help() -> float:
    """Return the seconds that `--help` takes."""
    start = time.perf_counter()
    spoken([sys.executable, "-m", "trainer", "--help"])
    return time.perf_counter() - start


def first_step(command: list[str]) -> tuple[float, float]:
    """Return seconds and megabytes until a first step is done."""
    seconds, megabytes = spoken(command).split()
    return float(seconds), float(megabytes)


def start_figures(reference: Path, rounds: int) -> dict[str, float]:
    """Return what it takes until there is help, and until a first step is done.

    To be measured before this process imports torch: a child's peak of memory begins at that of
    the process that started it.
    """
    assert "torch" not in sys.modules
    figures = {"help_s": statistics.median(timed_help() for _ in range(rounds))}
    if not (reference / "bare_step.py").exists():
        print(f"left out the first step: {reference}/bare_step.py is not there")
        return figures
    bare, first = [], []
    for _ in range(rounds):
        bare.append(first_step([sys.executable, str(reference / "bare_step.py")]))
        first.append(first_step([sys.executable, "-c", FIRST_STEP]))
    for i, unit in enumerate(("s", "mb")):
        extra = [ours[i] - theirs[i] for ours, theirs in zip(first, bare, strict=True)]
        figures[f"first_step_over_bare_{unit}"] = statistics.median(extra)
    return figures


def epoch_figures(script: Path, data: Path, rounds: int) -> dict[str, float]:
    """Return seconds per MNIST epoch of a hand-written loop and of ours, and their ratio."""
    if not (script.exists() and (data / "MNIST").exists()):
        print(f"left out the MNIST epoch: {script} or {data}/MNIST is not there")
        return {}
    theirs, ours = [], []
    for _ in range(rounds):  # interleaved: the machine drifts
        theirs.append(statistics.median(reference_epochs(script, data)[1:]))
        ours.append(statistics.median(our_epochs(data, 4)[1:]))
    return {
        "mnist_mlp_reference_s": statistics.median(theirs),
        "mnist_mlp_epoch_s": statistics.median(ours),
        "mnist_mlp_ratio": statistics.median(o / t for o, t in zip(ours, theirs, strict=True)),
    }


def main() -> None:
    """Measure and print ratios, and write them as JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference", type=Path, default=ROOT.parent / "shared" / "reference")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="holds MNIST/raw")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    figures = {
        **start_figures(options.reference, options.rounds),
        **epoch_figures(options.reference / "mnist_mlp.py", options.data, options.rounds),
    }
    for name, value in figures.items():
        print(f"{name:32} {value:8.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
