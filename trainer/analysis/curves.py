"""Curves of runs over epochs, as a picture.

Usage: python -m trainer.analysis.curves [RUN_OR_FOLDER ...] [--metric val_top1] [--out curves.png]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import TrainerError
from trainer.record import EpochRow, RunRow, read_runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = [f.name for f in fields(EpochRow) if f.name not in ("epoch", "step")]
IN_PERCENT = ("train_top1", "val_top1", "val_top5", "avg_val_top1")
NEVER_SHOWN = ("data.root", "name")


def labels(runs: Sequence[RunRow]) -> list[str]:
    """Return for each run the settings in which it differs from the others."""
    trees = [run.settings for run in runs]
    keys = [k for k in dict.fromkeys(k for t in trees for k in t) if k not in NEVER_SHOWN]
    varied = [k for k in keys if len({str(t.get(k)) for t in trees}) > 1]
    named = [k for k in varied if k.endswith(".name")]
    groups = {k.split(".")[0] for k in named}  # another part brings other keys: its name says it
    kept = [k for k in varied if k in named or k.split(".")[0] not in groups]
    return [label(tree, kept) or run.path.name for run, tree in zip(runs, trees, strict=True)]


def label(tree: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Return settings as words of a command line."""
    return " ".join(f"{k.removesuffix('.name')}={tree[k]}" for k in keys if k in tree)


def curves(runs: Sequence[RunRow], metric: str) -> Figure:
    """Return a figure of one metric over epochs, a line per run.

    Raises:
        TrainerError: if no run has that metric.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    drawn = 0
    for run, name in zip(runs, labels(runs), strict=True):
        points = [(row.epoch, getattr(row, metric)) for row in run.epochs]
        points = [(x, 100 * y if metric in IN_PERCENT else y) for x, y in points if y is not None]
        if points:
            axes.plot(
                *zip(*points, strict=True), marker="o", markersize=2.5, linewidth=1.4, label=name
            )
            drawn += 1
    if not drawn:
        raise TrainerError(f"none of the {len(runs)} runs has {metric}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{metric} (%)" if metric in IN_PERCENT else metric)
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.analysis.curves", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "places", nargs="*", default=["outputs/latest"], help="runs, or folders of runs"
    )
    parser.add_argument("--metric", default="val_top1", choices=METRICS)
    parser.add_argument("--out", type=Path, default=Path("curves.png"))
    options = parser.parse_args()
    try:
        runs = read_runs(*options.places)
        if not runs:
            raise TrainerError(f"no runs under {', '.join(options.places)}")
        curves(runs, options.metric).savefig(options.out)
    except TrainerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    print(f"{len(runs)} runs drawn to {options.out}")


if __name__ == "__main__":
    main()
