"""What is chosen by a probe, compiled steps, and a machine whose cores are busy."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator

from scripts.bench.measure import Table, epoch_s

RESNET9 = (
    *("data=synthetic", "data.image_shape=[3,32,32]", "data.num_train=2560", "data.num_test=10"),
    *("model=resnet9", "model.width=16", "augment=[standard]", "batch_size=256", "epochs=3"),
)
SPIN = "while True: pass"


def tables(options: Namespace) -> Iterator[Table]:
    """Yield the tables of this file."""
    formats = ("fp32", "bf16", "auto")
    yield Table(
        "Precision: an epoch of ResNet-9, width 16, 2,560 images",
        "s",
        {name: lambda name=name: epoch_s(*RESNET9, f"precision={name}") for name in formats},
    )
    for precision in ("fp32", "bf16"):
        words = (*RESNET9, f"precision={precision}")
        yield Table(
            f"Compiled steps: the same in {precision}",
            "s",
            {
                "eager": lambda words=words: epoch_s(*words),
                "compile": lambda words=words: epoch_s(*words, "engine=compile"),
            },
            note="Without compiling, which `seconds.compile` of a run's summary says.",
        )
    yield Table(
        "The default job, two spinning processes beside it",
        "s",
        {
            "alone": lambda: epoch_s("epochs=10"),
            "beside them": beside,
            "alone, threads=2": lambda: epoch_s("epochs=10", "threads=2"),
            "beside them, threads=2": lambda: beside("threads=2"),
        },
    )


def beside(*words: str) -> float:
    """Return the seconds of an epoch of the default job, two spinning processes beside it."""
    spinning = [subprocess.Popen((sys.executable, "-c", SPIN)) for _ in range(2)]
    try:
        return epoch_s("epochs=10", *words)
    finally:
        for process in spinning:
            process.kill()
            process.wait()
