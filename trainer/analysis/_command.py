"""What the command lines of the analyses share: runs read, files written, errors told."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from trainer.analysis._arms import METRICS, Arm, arms_of, trained
from trainer.core.errors import TrainerError
from trainer.record.runs import Found, find_runs


def reader(name: str, text: str) -> argparse.ArgumentParser:
    """Return a reader of command lines that name runs and where the files go.

    Args:
        name: of the analysis.
        text: the first line of its help.
    """
    made = argparse.ArgumentParser(prog=f"python -m trainer.analysis.{name}", description=text)
    made.add_argument("places", nargs="+", help="runs, or folders of runs such as a sweep's")
    made.add_argument(
        "--out",
        type=Path,
        help=f"of the files, without ending; default: {name} in the first of the folders",
    )
    return made


def add_metric(parser: argparse.ArgumentParser) -> None:
    """Let a command line choose the metric."""
    parser.add_argument(
        "--metric",
        default="val_top1",
        choices=METRICS,
        metavar="METRIC",
        help=f"one of {', '.join(METRICS)}; val_top1 if left out",
    )


def read_arms(places: Sequence[str]) -> list[Arm]:
    """Return the training runs under folders, by everything but the seed.

    Raises:
        NotFound: if a folder does not exist.
        TrainerError: if there are no such runs.
    """
    return arms_of(trained_runs(places).runs)


def trained_runs(places: Sequence[str]) -> Found:
    """Return the training runs under folders; a line each says what is wrong with damaged ones.

    Raises:
        NotFound: if a folder does not exist.
        TrainerError: if there are no such runs.
    """
    found = found_runs(places)
    runs = trained(found.runs)
    if not runs:
        raise TrainerError(f"no runs under {', '.join(places)}")
    return replace(found, runs=runs)


def found_runs(places: Sequence[str]) -> Found:
    """Return the runs under folders; a line each says what is wrong with damaged ones."""
    found = find_runs(*places)
    for reason in found.damaged.values():
        sys.stderr.write(f"left out: {reason}\n")
    return found


def out_of(options: argparse.Namespace, name: str) -> Path:
    """Return what the files are called, without ending; their folder is there afterwards."""
    out: Path = options.out or Path(options.places[0]) / name
    out.parent.mkdir(parents=True, exist_ok=True)
    return out


def write_texts(out: Path, texts: Mapping[str, str]) -> None:
    """Write a file for each ending."""
    for ending, text in texts.items():
        Path(f"{out}.{ending}").write_text(text, encoding="utf-8")
