"""Made-up records of runs, in memory and on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from trainer.record.runs import EpochRow, RunRow


def made_run(
    seed: int,
    top1: float,
    *,
    path: str = "run",
    status: str = "completed",
    epochs: int = 2,
    commit: str = "c0ffee",
    **parts: Any,
) -> RunRow:
    """Return a run that ends with an accuracy and comes to it in equal steps from 0."""
    rows = tuple(
        EpochRow(
            epoch=float(i),
            step=10 * i,
            lr=0.1,
            train_loss=2.0 / i,
            train_top1=0.5,
            val_loss=1.0 - top1 * i / epochs,
            val_top1=top1 * i / epochs,
        )
        for i in range(1, epochs + 1)
    )
    config = {"seed": seed, "name": "default", "optim": {"name": "sgd", "lr": 0.1}, **parts}
    return RunRow(
        Path(path) / str(seed),
        config,
        rows,
        status,
        test={"top1": top1 - 0.01, "loss": 1.0} if status == "completed" else None,
        best_val_top1=top1,
        seconds={"train": 3.0, "total": 4.0},
        summary={"git": {"commit": commit}},
    )


def write_run(run: RunRow, path: Path) -> None:
    """Put a run's record on disk as the program does."""
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(dict(run.config)))
    (path / "run.log").write_text("")
    (path / "metrics.jsonl").write_text(
        "".join(json.dumps(row.plain()) + "\n" for row in run.epochs)
    )
    summary = {"status": run.status, "test": run.test, "best_val_top1": run.best_val_top1}
    (path / "summary.json").write_text(
        json.dumps({**summary, "seconds": dict(run.seconds), **run.summary})
    )


def lr(value: float) -> dict[str, Any]:
    """Return the part of a configuration that has another learning rate."""
    return {"optim": {"name": "sgd", "lr": value}}
