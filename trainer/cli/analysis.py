"""The subcommands that read the records of runs. They import an analysis once their arguments are
parsed."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.analysis import METRICS, OVER_EPOCHS, Arm, arms_of, trained
from trainer.cli.arguments import names_in
from trainer.cli.subcommands import Parser, one_of
from trainer.core.errors import ConfigError, DiskError, TrainerError
from trainer.core.units import counted
from trainer.record.runs import Found, find_runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILES = "Writes {0} into the first folder that is named, or --out with these endings."
SEEDS = "Runs are grouped by everything but the seed."


def compare(arguments: Sequence[str]) -> None:
    """Compare settings over seeds."""
    parser = reader("compare", f"{SEEDS} {FILES.format('compare.png, .csv and .md')}")
    parser.add_argument(
        "--baseline",
        metavar="OVERRIDES",
        help="what the others are compared with, as `optim=sgd`; the first if left out",
    )
    parser.add_argument("--paired", action="store_true", help="compare seed by seed")
    options = parser.parse_args(arguments)
    from trainer.analysis import compare as analysis

    arms = read_arms(options.places)
    found = analysis.compare(arms, options.metric, options.baseline, is_paired=options.paired)
    figure, text = analysis.arms_figure(arms, options.metric), analysis.to_markdown(found)
    files = save(options, "compare", figure, csv=analysis.to_csv(found), md=text)
    print(f"{text}\n{counted(count_of(arms), 'run')} compared: {files}")


def table(arguments: Sequence[str]) -> None:
    """Write the table of runs."""
    more = f"{SEEDS} The keys in which they differ are columns. {FILES.format('table.csv and .md')}"
    parser = reader("table", more, metrics=())
    parser.add_argument(
        "--metric",
        action="append",
        type=one_of("metric", METRICS),
        metavar="METRIC",
        help=f"a column, may be repeated; of {', '.join(METRICS)}; the usual ones if left out",
    )
    parser.add_argument(
        "--sort", metavar="METRIC", type=one_of("metric", METRICS), help="the best of it is first"
    )
    options = parser.parse_args(arguments)
    from trainer.analysis import table as analysis

    made = analysis.table_of(read_arms(options.places), options.metric, options.sort)
    text = analysis.to_markdown(made)
    files = save(options, "table", csv=analysis.to_csv(made), md=text)
    print(f"{text}\n{counted(len(made.rows), 'setting')}: {files}")


def curves(arguments: Sequence[str]) -> None:
    """Draw a metric over epochs."""
    parser = Parser("curves", "A line per run, a colour per setting.")
    parser.add_argument(
        "places", nargs="*", default=["outputs/latest"], help="runs, or folders of runs"
    )
    add_metric(parser, OVER_EPOCHS)
    parser.add_argument("--out", type=Path, help="default: curves.png in the first of the folders")
    options = parser.parse_args(arguments)
    from trainer.analysis import curves as analysis

    runs = found_runs(options.places).runs
    if not runs:
        raise TrainerError(f"no runs under {', '.join(options.places)}")
    out = options.out or Path(options.places[0]) / "curves.png"
    analysis.curves(runs, options.metric).savefig(out)
    print(f"{counted(len(runs), 'run')} drawn to {out}")


def slices(arguments: Sequence[str]) -> None:
    """Draw accuracy over two hyperparameters."""
    parser = reader(
        "slices",
        "Takes runs that differ in nothing but optim.lr, one more number and the seed. The ridge "
        "of the best learning rates is found and fitted by the metric; test scores, where there "
        f"are some, are shown beside it. {FILES.format('slices.png, .csv and .md')}",
    )
    parser.add_argument(
        "--y", metavar="KEY", help="the second hyperparameter; left out, what the runs differ in"
    )
    options = parser.parse_args(arguments)
    from trainer.analysis import slices as analysis

    slice_ = analysis.slice_of(read_arms(options.places), options.metric, options.y)
    ridge = analysis.fit_of(slice_)
    figure, text = analysis.slices_figure(slice_, ridge), analysis.to_markdown(slice_, ridge)
    files = save(options, "slices", figure, csv=analysis.to_csv(slice_, ridge), md=text)
    print(f"{text}\n{counted(len(slice_.cells), 'cell')}: {files}")


def lr_tradeoff(arguments: Sequence[str]) -> None:
    """Draw loss and accuracy over decades of the learning rate."""
    parser = reader(
        "lr_tradeoff",
        "Takes runs that differ in nothing but optim.lr and the seed, as -m +sweep=lr_tradeoff "
        f"makes them. {FILES.format('lr_tradeoff.png and .csv')}",
    )
    options = parser.parse_args(arguments)
    from trainer.analysis import lr_tradeoff as analysis

    arms = read_arms(options.places)
    points = analysis.tradeoff(arms, options.metric)
    figure = analysis.figure_of(points, options.metric)
    files = save(options, "lr_tradeoff", figure, csv=analysis.to_csv(points))
    rates, runs = counted(len(points), "learning rate"), counted(count_of(arms), "run")
    print(f"{rates}, {runs}: {files}")
    best = analysis.best_of(points, options.metric)
    if best is not None:
        print(
            f"the best mean {options.metric} is at optim.lr={best.lr:g}, of those whose runs all "
            "completed"
        )


def attribution(arguments: Sequence[str]) -> None:
    """Compare each of several tricks with those before it, and with the whole without it."""
    parser = reader(
        "attribution",
        "A NAME is a preset of the runs (`warmup` for +experiment=bag_of_tricks/warmup) or "
        "overrides that only one setting has (`mix=mixup`). Steps are compared each with the one "
        "before it, what leaves one out with the whole. "
        + FILES.format("attribution.png, .csv and .md"),
    )
    parser.add_argument("--steps", default="", metavar="NAMES", help="from the baseline on")
    parser.add_argument("--whole", metavar="NAME", help="the setting with all tricks")
    parser.add_argument("--without", default="", metavar="NAMES", help="those that leave one out")
    options = parser.parse_args(arguments)
    from trainer.analysis import attribution as analysis

    found = analysis.attribution_of(
        read_arms(options.places),
        options.metric,
        steps=names_in(options.steps),
        whole=options.whole,
        without=names_in(options.without),
    )
    figure, text = analysis.attribution_figure(list(found.parts)), analysis.to_markdown(found)
    print(f"{text}\n{save(options, 'attribution', figure, csv=analysis.to_csv(found), md=text)}")


def report(arguments: Sequence[str]) -> None:
    """Write a page of HTML about runs."""
    parser = reader("report", "It needs no network. Writes report.html, or --out.")
    parser.add_argument("--title", help="the page's heading; default: the folders' names")
    options = parser.parse_args(arguments)
    out: Path = options.out or Path(options.places[0]) / "report"
    title = options.title or ", ".join(Path(p).resolve().name for p in options.places)
    write_report(options.places, out, options.metric, title)


def write_report(places: Sequence[str], out: Path, metric: str, title: str) -> None:
    """Read runs, write the page and print where it is; a name gets `.html` where it lacks it.

    Raises:
        ConfigError: if the page cannot be written, DiskError if there is no room for it.
    """
    from trainer.analysis import arms_of
    from trainer.analysis.report import of_folders
    from trainer.analysis.report import report as page_of

    out = out if out.suffix == ".html" else Path(f"{out}.html")
    found = trained_runs(places)
    runs = of_folders(found.runs, places)
    text = page_of(runs, out, metric=metric, title=title, damaged=list(found.damaged))
    write_page(out, text)
    shown = sum(len(arm.runs) for arm in arms_of({run.path: run for run in runs}.values()))
    more = len(runs) - shown
    rest = f", {more} of a setting and seed that is there left out" if more else ""
    print(f"{counted(shown, 'run')} reported{rest}: {out} ({len(text.encode()) / 1e6:.1f} MB)")


def write_page(out: Path, text: str) -> None:
    """Write a page, in a folder that is made if need be.

    Raises:
        ConfigError: if it cannot be written, DiskError if there is no room for it.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        is_disk = error.errno in (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
        kind = DiskError if is_disk else ConfigError
        raise kind(f"cannot write --out={out}: {(error.strerror or str(error)).lower()}") from error


def reader(name: str, more: str, metrics: Sequence[str] = METRICS) -> Parser:
    """Return a parser of runs, of a metric if there is a choice, and of where the files go."""
    made = Parser(name, more)
    made.add_argument(
        "places", nargs="+", metavar="RUN_OR_FOLDER", help="runs, or folders such as a sweep's"
    )
    made.add_argument("--out", type=Path, help="of the files, without ending")
    if metrics:
        add_metric(made, metrics)
    return made


def add_metric(parser: Parser, known: Sequence[str]) -> None:
    parser.add_argument(
        "--metric",
        default="val_top1",
        type=one_of("metric", known),
        metavar="METRIC",
        help=f"one of {', '.join(known)}; val_top1 if left out",
    )


def read_arms(places: Sequence[str]) -> list[Arm]:
    """Return the training runs under folders, by everything but the seed."""
    return arms_of(trained_runs(places).runs)


def trained_runs(places: Sequence[str]) -> Found:
    """Return the training runs under folders; raise TrainerError if there are none."""
    found = found_runs(places)
    runs = trained(found.runs)
    if not runs:
        raise TrainerError(f"no runs under {', '.join(places)}")
    return replace(found, runs=runs)


def found_runs(places: Sequence[str]) -> Found:
    """Return the runs under folders; a line each names the damaged ones."""
    found = find_runs(*places)
    for reason in found.left_out:
        sys.stderr.write(f"left out: {reason}\n")
    return found


def count_of(arms: Sequence[Arm]) -> int:
    return sum(len(arm.runs) + arm.repeated for arm in arms)


def save(options: argparse.Namespace, name: str, figure: Figure | None = None, **texts: str) -> str:
    """Write a picture and texts, each with its ending, and return the names of the files."""
    out: Path = options.out or Path(options.places[0]) / name
    if out.suffix.lower() in (".png", ".csv", ".md"):
        out = out.with_suffix("")  # each file gets its own
    out.parent.mkdir(parents=True, exist_ok=True)
    if figure is not None:
        figure.savefig(f"{out}.png")
    for ending, text in texts.items():
        Path(f"{out}.{ending}").write_text(text, encoding="utf-8")
    return ", ".join(f"{out}.{ending}" for ending in (*(["png"] if figure else []), *texts))
