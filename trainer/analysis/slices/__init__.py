"""A slice through two hyperparameters: accuracy over the learning rate and a second value, the
ridge of the best learning rates with its slope, and what that slope keeps constant."""

from trainer.analysis._arms import is_share
from trainer.analysis.slices.figure import draw_map, draw_ridge, slices_figure
from trainer.analysis.slices.grid import GridCell, Line, Slice, slice_of
from trainer.analysis.slices.ridge import Ridge, Top, fit_of
from trainer.analysis.slices.verdict import checks_of, is_believable, notes, sentence, table_of
from trainer.record.tables import csv_text

__all__ = [
    "GridCell",
    "Line",
    "Ridge",
    "Slice",
    "Top",
    "checks_of",
    "draw_map",
    "draw_ridge",
    "fit_of",
]
__all__ += ["is_believable", "sentence", "slice_of", "slices_figure"]


def to_csv(slice_: Slice, ridge: Ridge) -> str:
    """Return a line for each cell, with its row's best learning rate; accuracies are shares."""
    names = ["n", "mean", "sd", "test_n", "test_mean", "test_sd", "diverged", "failed", "is_best"]
    heads: list[object] = [slice_.title, "lr", *names, "best_lr", "best_low", "best_high", "edge"]
    table = [heads]
    for line, top in zip(slice_.lines, ridge.tops, strict=True):
        low, high = top.interval or (None, None)
        for cell in line.cells:
            mine, test = cell.spread, cell.tested_spread
            numbers = [mine.n, mine.mean, mine.sd, test.n, test.mean, test.sd]
            counts = [len(cell.arm.diverged), len(cell.arm.failed), int(cell.lr == top.column)]
            table.append([line.y, cell.lr, *numbers, *counts, top.lr, low, high, top.edge])
    return csv_text(table)


def to_markdown(slice_: Slice, ridge: Ridge) -> str:
    """Return what the ridge says, whether to believe it, and the cells; accuracies in percent."""
    marks = [
        f"- {'yes' if c.holds else 'no'}: {c.found} (needed: {c.needed})"
        for c in checks_of(slice_, ridge)
    ]
    unit = " in percent" if is_share(slice_.metric) else ""
    what = f"Mean {slice_.metric}{unit} of the completed runs; bold: the best of a row."
    below = [f"- {note}" for note in notes(slice_, ridge)]
    parts = [sentence(slice_, ridge), "\n".join(marks), what, table_of(slice_, ridge)]
    return "\n\n".join([*parts, "\n".join(below)]).rstrip() + "\n"
