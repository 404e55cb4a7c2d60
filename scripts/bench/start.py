"""Start-up: what answers without torch, and the first step over torch's own."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator

from scripts.bench.measure import Table, numbers, script, spoken

FIRST_STEP = """
import resource, time
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


def tables(options: Namespace) -> Iterator[Table]:
    """Yield the tables of this file."""
    program = (sys.executable, "-m", "trainer")
    yield Table(
        "Answers without torch",
        "s",
        {
            "python -c pass": timed(sys.executable, "-c", "pass"),
            "--help": timed(*program, "--help"),
            "--cfg job": timed(*program, "--cfg", "job"),
        },
    )
    bare = script(options, "bare_step.py")
    if bare is not None:
        ours = (sys.executable, "-c", FIRST_STEP)
        for place, unit in enumerate(("s", "MB")):
            arms = {
                "bare_step.py": lambda i=place: numbers((sys.executable, str(bare)))[i],
                "first step of the default job": lambda i=place: numbers(ours)[i],
            }
            yield Table(f"First step, {unit}", unit, arms)


def timed(*command: str) -> Callable[[], float]:
    """Return what runs a command and returns its seconds."""

    def run() -> float:
        start = time.perf_counter()
        spoken(command)
        return time.perf_counter() - start

    return run
