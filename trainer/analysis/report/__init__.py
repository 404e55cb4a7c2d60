"""One page of HTML for any set of runs: tables, curves, heat maps, what differs. It needs nothing
but itself."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from trainer.analysis._arms import arms_of, final
from trainer.analysis._tables import value_text
from trainer.analysis.report._curves import curve_data, panel
from trainer.analysis.report._errors import errors_of
from trainer.analysis.report._facts import (
    best_ones,
    common,
    differing,
    left_out,
    notes,
    seeds_text,
    statuses,
)
from trainer.analysis.report._heat import heat_maps
from trainer.analysis.report._page import fill, library
from trainer.analysis.report._table import arms_table, heading, readable, runs_table
from trainer.analysis.slices.grid import LR
from trainer.core.errors import TrainerError
from trainer.record.runs import RunRow, read_runs

__all__ = ["of_folders", "read_runs", "report"]


def report(
    runs: Sequence[RunRow],
    out: Path,
    *,
    metric: str = "val_top1",
    title: str = "Report",
    damaged: Sequence[Path] = (),
) -> str:
    """Return a page about runs.

    Args:
        runs: from `read_runs`, as `trained` leaves them.
        out: the file that the page will be; links to the runs' folders start there.
        metric: what settings are ranked by.
        title: the page's heading.
        damaged: folders of runs that could not be read.

    Raises:
        ConfigError: if the plotting library is not installed.
        TrainerError: if there are no runs.
    """
    library()  # refused before anything is worked out
    arms = arms_of({run.path: run for run in runs}.values())
    kept = [run for arm in arms for run in arm.runs]
    if not kept:
        raise TrainerError("no runs to report")
    page, root = out.absolute().parent, root_of(kept)
    is_tested = any(final(run, "test_top1") is not None for run in kept)
    tested = "test_top1" if is_tested and metric != "test_top1" else None
    best = best_ones(arms, metric)
    of_runs = runs_table(arms, metric, root, page)
    curves = curve_data(arms, metric, [row.cells[0].text for row in of_runs.rows])
    last = max((run.epochs[-1].epoch for run in kept if run.epochs), default=1.0)
    return fill(
        {
            "title": readable(title),
            "metric": metric,
            "shown": partial(value_text, metric=metric),
            "metric_title": heading("", metric),
            "num_runs": len(kept),
            "arms": curves["arms"],
            "seeds": seeds_text(arms),
            "statuses": statuses(kept),
            "best": best,
            "errors": errors_of(best, arms),
            "arms_table": arms_table(arms, metric, tested),
            "runs_table": of_runs,
            "maps": heat_maps(arms, metric),
            "lr": LR,
            "curves": curves,
            "panels": [panel(last) for _ in curves["first"]],
            "differing": differing(kept),
            "common": common(kept),
            "notes": [*notes(arms, metric, curves["points"]), *left_out(damaged, root)],
        }
    )


def of_folders(runs: Iterable[RunRow], places: Sequence[str]) -> list[RunRow]:
    """Return runs that say which of several folders they were found in, as a setting `folder`:
    equal settings and seeds of several people stay apart. A run that was named itself says
    nothing.

    Args:
        runs: from `read_runs(*places)`.
        places: what was named; of one folder alone nothing is said.
    """
    real = {Path(os.path.realpath(place)): place for place in places}
    names = [path.name for path in real]
    if len(real) < 2:
        return list(runs)
    found = []
    for run in runs:
        place = next((path for path in run.path.parents if path in real), None)
        if place is not None:
            name = place.name if names.count(place.name) == 1 else real[place]
            run = replace(run, config={"folder": name, **run.config})
        found.append(run)
    return found


def root_of(runs: Sequence[RunRow]) -> Path:
    """Return the folder that all runs are under; of a single run the one it lies in."""
    return Path(os.path.commonpath([run.path.absolute().parent for run in runs]))
