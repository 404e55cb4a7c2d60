"""Made-up slices whose ridge is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.analysis.runs import made_run
from trainer.analysis._arms import arms_of
from trainer.analysis.slices.grid import Slice, slice_of
from trainer.record.runs import RunRow

BATCHES = (64, 128, 256, 512, 1024, 2048)
RATES = tuple(2.0**k for k in range(-7, 3))


def config(key: str, y: float, lr: float) -> dict[str, Any]:
    """Return the parts of a configuration in which the runs of a slice differ."""
    optim: dict[str, Any] = {"name": "sgd", "lr": lr, "momentum": 0.9, "weight_decay": 5e-4}
    if key.startswith("optim."):
        return {"batch_size": 512, "optim": {**optim, key.removeprefix("optim."): y}}
    return {key: y, "optim": optim}


def bowl(octaves: float) -> float:
    """Accuracy so many octaves beside the ridge."""
    return 0.9 - 0.02 * octaves**2


def plane(
    slope: float,
    *,
    key: str = "batch_size",
    ys: Sequence[float] = BATCHES,
    seeds: int = 1,
    noise: float = 0.0,
    shape: Callable[[float], float] = bowl,
    middle: float = -2.3,
    rates: Sequence[float] = RATES,
    seed: int = 0,
) -> list[RunRow]:
    """Return runs whose best log2(lr) is `middle` in the middle row and rises by `slope` octaves
    for each octave of the second value (of 1 - momentum for momentum)."""
    generator = np.random.default_rng(seed)
    logs = [math.log2(1.0 - y if key == "optim.momentum" else y) for y in ys]
    runs = []
    for y, log in zip(ys, logs, strict=True):
        best = middle + slope * (log - sum(logs) / len(logs))
        for lr in rates:
            for s in range(seeds):
                top1 = shape(math.log2(lr) - best) + generator.normal(0.0, noise)
                place = f"{key}={y:g},{lr:g}"
                runs.append(made_run(s, top1, path=place, **config(key, y, lr)))
    return runs


def made_slice(runs: Sequence[RunRow], metric: str = "val_top1") -> Slice:
    """Return runs as a slice."""
    return slice_of(arms_of(runs), metric)
