"""Curves of runs over epochs, as a picture.

Usage: python -m trainer.analysis.curves [RUN_OR_FOLDER ...] [--metric val_top1] [--out FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.analysis._arms import OVER_EPOCHS, is_share
from trainer.analysis._labels import labels, settings_of
from trainer.analysis._pictures import bare, title_of
from trainer.errors import TrainerError
from trainer.record import RunRow, read_runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves(runs: Sequence[RunRow], metric: str) -> Figure:
    """Return a figure of one metric over epochs, a line per run.

    Raises:
        TrainerError: if no run has that metric.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    drawn = 0
    names = labels([settings_of(run) for run in runs])
    for run, name in zip(runs, names, strict=True):
        points = [(row.epoch, getattr(row, metric)) for row in run.epochs]
        points = [(x, 100 * y if is_share(metric) else y) for x, y in points if y is not None]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                marker="o",
                markersize=2.5,
                linewidth=1.4,
                label=name or run.path.name,
            )
            drawn += 1
    if not drawn:
        raise TrainerError(f"none of the {len(runs)} runs has {metric}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(title_of(metric))
    bare(axes)
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
    parser.add_argument("--metric", default="val_top1", choices=OVER_EPOCHS)
    parser.add_argument("--out", type=Path, help="default: curves.png in the first of the folders")
    options = parser.parse_args()
    try:
        runs = read_runs(*options.places)
        if not runs:
            raise TrainerError(f"no runs under {', '.join(options.places)}")
        out = options.out or Path(options.places[0]) / "curves.png"
        curves(runs, options.metric).savefig(out)
    except TrainerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    print(f"{len(runs)} runs drawn to {out}")


if __name__ == "__main__":
    main()
