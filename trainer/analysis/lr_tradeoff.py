"""The trade-off of the learning rate: loss curves and final accuracy over decades of it.

Usage: python -m trainer.analysis.lr_tradeoff RUN_OR_FOLDER ... [--metric val_top1]
       [--out FILES]

Takes runs that differ in nothing but optim.lr and the seed; python -m trainer -m +sweep=lr_tradeoff
makes them. Writes lr_tradeoff.png and lr_tradeoff.csv into the first folder that is
named, or FILES with these endings.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from trainer.analysis._arms import METRICS, Arm, arms_of, trained
from trainer.analysis._difference import Spread
from trainer.analysis._labels import varied_keys
from trainer.analysis._tradeoff import Point, best_of, figure_of
from trainer.errors import ConfigError, TrainerError
from trainer.record import read_runs

__all__ = ["Point", "best_of", "figure_of", "to_csv", "tradeoff"]

KEY = "optim.lr"


def tradeoff(arms: Sequence[Arm], metric: str) -> list[Point]:
    """Return a point for each learning rate, ascending.

    Raises:
        ConfigError: if the arms differ in anything else, or not in that.
        TrainerError: if no completed run has the metric.
    """
    varied = varied_keys([arm.settings for arm in arms])
    if varied != [KEY]:
        told = ", ".join(varied) or "nothing"
        raise ConfigError(
            f"the runs must differ in {KEY} and the seed alone; they differ in {told}"
        )
    points = [Point(float(arm.settings[KEY]), arm, arm.values(metric)) for arm in arms]
    if not any(point.values for point in points):
        raise TrainerError(f"none of the runs completed with {metric}")
    return sorted(points, key=lambda point: point.lr)


def to_csv(points: Sequence[Point]) -> str:
    """Return a line for each learning rate; accuracies are shares."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["lr", "n", "mean", "sd", "diverged", "failed", "final_train_loss"])
    for point in points:
        spread, arm = point.spread, point.arm
        losses = Spread.of(list(arm.values("train_loss").values()))
        numbers = [point.lr, spread.n, spread.mean, spread.sd, len(arm.diverged), len(arm.failed)]
        table.writerow(["" if v is None else v for v in (*numbers, losses.mean)])
    return out.getvalue()


def main() -> None:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.analysis.lr_tradeoff", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("places", nargs="+", help="runs, or folders of runs such as a sweep's")
    parser.add_argument(
        "--metric",
        default="val_top1",
        choices=METRICS,
        metavar="METRIC",
        help=f"one of {', '.join(METRICS)}",
    )
    parser.add_argument(
        "--out", type=Path, help="of the two files, without ending; default: beside the runs"
    )
    options = parser.parse_args()
    try:
        out = options.out or Path(options.places[0]) / "lr_tradeoff"
        write(options.places, out, options.metric)
    except TrainerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


def write(places: Sequence[str], out: Path, metric: str) -> None:
    """Read runs, write the two files and print what they show."""
    runs = trained(read_runs(*places))
    if not runs:
        raise TrainerError(f"no runs under {', '.join(places)}")
    points = tradeoff(arms_of(runs), metric)
    figure = figure_of(points, metric)
    out.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{out}.csv").write_text(to_csv(points), encoding="utf-8")
    figure.savefig(f"{out}.png")
    best = best_of(points, metric)
    print(f"{len(points)} learning rates, {len(runs)} runs: {out}.png, {out}.csv")
    if best is not None:
        print(f"the best mean {metric} is at {KEY}={best.lr:g}, of those whose runs all completed")


if __name__ == "__main__":
    main()
