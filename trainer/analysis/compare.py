"""Settings compared over seeds: curves with their spread, means, differences and what they are
worth.

Usage: python -m trainer.analysis.compare RUN_OR_FOLDER ... [--metric val_top1] [--baseline WORDS]
       [--paired] [--out FILES]

Runs are grouped by everything but the seed. Writes compare.png, compare.csv and compare.md
into the first folder that is named, or FILES with these endings.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from trainer.analysis._arms import METRICS, Arm, arms_of, trained
from trainer.analysis._comparison import Comparison, Row, compare, difference_of
from trainer.analysis._difference import Difference, Spread, paired, welch
from trainer.analysis._pictures import arms_figure, bare, colors, draw_finals, title_of
from trainer.analysis._tables import line_of, shown, to_csv, to_markdown
from trainer.errors import TrainerError
from trainer.record import read_runs

__all__ = [
    "Arm",
    "Comparison",
    "Difference",
    "Row",
    "Spread",
    "arms_figure",
    "arms_of",
    "bare",
    "colors",
    "compare",
    "difference_of",
    "draw_finals",
    "line_of",
    "paired",
    "shown",
    "title_of",
    "to_csv",
    "to_markdown",
    "trained",
    "welch",
]


def main() -> None:
    """Compare what the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.analysis.compare",
        description="Compare settings over seeds: curves, means, differences with their intervals.",
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
        "--baseline",
        metavar="WORDS",
        help="what the others are compared with, as `optim=sgd`; the first if left out",
    )
    parser.add_argument("--paired", action="store_true", help="compare seed by seed")
    parser.add_argument(
        "--out", type=Path, help="of the three files, without ending; default: beside the runs"
    )
    options = parser.parse_args()
    try:
        out = options.out or Path(options.places[0]) / "compare"
        write(options.places, out, options.metric, options.baseline, options.paired)
    except TrainerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


def write(places: list[str], out: Path, metric: str, baseline: str | None, is_paired: bool) -> None:
    """Read runs, write the three files and print the table."""
    runs = trained(read_runs(*places))
    if not runs:
        raise TrainerError(f"no runs under {', '.join(places)}")
    arms = arms_of(runs)
    comparison = compare(arms, metric, baseline, is_paired=is_paired)
    out.parent.mkdir(parents=True, exist_ok=True)
    text = to_markdown(comparison)
    Path(f"{out}.md").write_text(text, encoding="utf-8")
    Path(f"{out}.csv").write_text(to_csv(comparison), encoding="utf-8")
    arms_figure(arms, metric).savefig(f"{out}.png")
    print(f"{text}\n{len(runs)} runs compared: {out}.png, {out}.csv, {out}.md")


if __name__ == "__main__":
    main()
