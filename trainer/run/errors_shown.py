"""Where a run's network errs, in brief, at its end: lines, files and pictures from the evaluation
that was made anyhow. They only show: what fails is one line."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from trainer.core.file_kinds import printable
from trainer.evaluation.mistakes import Errors
from trainer.evaluation.pictures import confusion_picture, mistakes_picture
from trainer.evaluation.scores import class_scores
from trainer.evaluation.tables import class_rows, confusion_rows, write_csv
from trainer.record.console import percent
from trainer.record.runs import ERRORS
from trainer.record.tensorboard import TensorBoard

log = logging.getLogger("trainer")


def show_errors(
    found: Errors,
    classes: tuple[str, ...],
    *,
    folder: Path,
    step: int,
    weights: str,
    tensorboard: TensorBoard | None,
) -> None:
    """Write tables and pictures of errors into a run's folder, and the pictures into TensorBoard.

    Args:
        found: on the test images.
        classes: their names.
        folder: of the run.
        step: of the weights.
        weights: `final` or `averaged`.
        tensorboard: of the run.
    """
    try:
        pictures = written(found, classes, folder / ERRORS, weights)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        log.warning("the pictures of errors are left out (%s); the numbers are there", reason)
        return
    if tensorboard is not None:
        tensorboard.pictures(pictures, class_text(found, classes), step)


def written(
    found: Errors, classes: tuple[str, ...], folder: Path, weights: str
) -> dict[str, np.ndarray[Any, Any]]:
    """Write the files and return the pictures, (H, W, 3), by name."""
    folder.mkdir(exist_ok=True)
    write_csv(folder / "classes.csv", class_rows(classes, class_scores(found.counts)))
    write_csv(folder / "confusion.csv", confusion_rows(classes, found.counts))
    images, hits = int(found.counts.sum()), int(found.counts.trace())
    title = f"{percent(hits / images)} of {images:,} test images right, {weights} weights"
    made = {"confusion": confusion_picture(found.counts, classes, title)}
    if found.mistakes:
        title = "What it was surest of, and wrong"
        made["mistakes"] = mistakes_picture(found.mistakes, classes, title)
    for name, picture in made.items():
        picture.save(folder / f"{name}.png", compress_level=1)
    return {name: np.asarray(picture) for name, picture in made.items()}


def class_text(found: Errors, classes: tuple[str, ...]) -> str:
    """Return the scores of each class as a table of Markdown, the worst recognised first."""
    rows = list(zip(classes, class_scores(found.counts), strict=True))
    lines = ["| class | images | recall | precision |", "|---|---|---|---|"]
    for name, row in sorted(rows, key=lambda pair: (pair[1].recall is None, pair[1].recall or 0.0)):
        cells = (printable(name).replace("|", "\\|"), str(row.images))
        lines.append(f"| {' | '.join((*cells, percent(row.recall), percent(row.precision)))} |")
    return "\n".join(lines)
