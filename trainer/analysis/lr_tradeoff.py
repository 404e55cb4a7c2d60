"""The trade-off of the learning rate: loss curves and final accuracy over decades of it.

Usage: python -m trainer.analysis.lr_tradeoff RUN_OR_FOLDER ... [--metric val_top1]
       [--out lr_tradeoff]

Takes runs that differ in nothing but optim.lr and the seed; python -m trainer -m +sweep=lr_tradeoff
makes them. Writes lr_tradeoff.png and lr_tradeoff.csv.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.analysis._arms import METRICS, Arm, arms_of, common_epochs, is_share, trained
from trainer.analysis._difference import Spread
from trainer.analysis._labels import varied_keys
from trainer.analysis._pictures import LOST, bare, lost_text, title_of
from trainer.errors import ConfigError, TrainerError
from trainer.record import read_runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEY = "optim.lr"


@dataclass(frozen=True)
class Point:
    """What one learning rate came to.

    Attributes:
        lr: the learning rate.
        arm: its runs.
        values: final numbers of the completed ones, by seed.
    """

    lr: float
    arm: Arm
    values: dict[int, float]

    @property
    def spread(self) -> Spread:
        """Mean and spread of the completed runs."""
        return Spread.of(list(self.values.values()))


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


def best_of(points: Sequence[Point], metric: str) -> Point | None:
    """Return the point with the best mean among those of which every run completed, if any."""
    whole = [p for p in points if p.values and len(p.values) == len(p.arm.runs)]
    sign = -1.0 if "loss" in metric or metric.endswith("seconds") else 1.0
    return max(whole, key=lambda point: sign * (point.spread.mean or 0.0), default=None)


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


def figure_of(points: Sequence[Point], metric: str, title: str = "") -> Figure:
    """Return loss curves beside final numbers, a colour for each learning rate."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.4), dpi=150, layout="constrained")
    curves, finals = figure.subplots(1, 2)
    draw_losses(curves, points)
    draw_finals(finals, points, metric)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    return figure


def draw_losses(axes: Axes, points: Sequence[Point]) -> None:
    """Draw the training loss over epochs: means of completed runs, and each diverged run as far
    as it came."""
    top = len(points) - 1
    for place, point in enumerate(points):
        color = color_of(place, top)
        runs = point.arm.completed
        epochs = common_epochs(runs, "train_loss")
        rows = [{row.epoch: row.train_loss for row in run.epochs} for run in runs]
        means = [Spread.of([row[epoch] for row in rows]).mean or 0.0 for epoch in epochs]
        name = f"{point.lr:g}"
        lost = lost_text(point.arm)
        axes.plot(
            epochs, means, color=color, linewidth=1.5, label=f"{name}  {lost}" if lost else name
        )
        for run in point.arm.diverged:
            if run.epochs:
                line = [(row.epoch, row.train_loss) for row in run.epochs]
                axes.plot(*zip(*line, strict=True), color=color, linewidth=0.9, linestyle=":")
                axes.plot(*line[-1], color=LOST, marker="x", markersize=6)
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss")
    bare(axes)
    axes.legend(
        title="learning rate",
        frameon=False,
        fontsize=7.5,
        title_fontsize=8,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.02),
        labelspacing=0.3,
        reverse=True,
    )


def draw_finals(axes: Axes, points: Sequence[Point], metric: str) -> None:
    """Draw final numbers over the learning rate: every seed, the mean with its 95 % interval, and
    below them the runs that have none."""
    scale, top = (100.0 if is_share(metric) else 1.0), len(points) - 1
    having = [(place, point) for place, point in enumerate(points) if point.values]
    means = [scale * (point.spread.mean or 0.0) for _, point in having]
    axes.plot([point.lr for _, point in having], means, color="0.4", linewidth=1.2, zorder=1)
    for (place, point), mean in zip(having, means, strict=True):
        color = color_of(place, top)
        numbers = [scale * value for value in point.values.values()]
        half = point.spread.half_width
        axes.errorbar(
            point.lr,
            mean,
            yerr=None if half is None else scale * half,
            color=color,
            fmt="D",
            ms=4.5,
            capsize=3,
            linewidth=1.4,
            zorder=3,
        )
        axes.plot([point.lr] * len(numbers), numbers, "o", color=color, alpha=0.45, ms=4, mew=0)
    for point in points:
        lost = lost_text(point.arm)
        if lost:
            axes.annotate(
                f"x\n{lost.replace(', ', chr(10))}",
                (point.lr, 0.0),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
                color=LOST,
                fontsize=7.5,
            )
    best = best_of(points, metric)
    if best is not None:
        axes.axvline(best.lr, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
        axes.annotate(
            f"best mean: {best.lr:g}",
            (best.lr, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_xscale("log")
    axes.set_xlim(points[0].lr / 1.8, points[-1].lr * 1.8)
    axes.set_xlabel("learning rate (optim.lr)")
    axes.set_ylabel(f"final {title_of(metric)}: seeds, mean, 95 % interval")
    bare(axes)


def color_of(place: int, last: int) -> tuple[float, ...]:
    """Return a learning rate's colour: dark for the lowest, light for the highest."""
    from matplotlib import colormaps

    return tuple(colormaps["viridis"](0.92 * place / max(last, 1)))


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
        "--out", type=Path, default=Path("lr_tradeoff"), help="of the two files, without its ending"
    )
    options = parser.parse_args()
    try:
        write(options.places, options.out, options.metric)
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
