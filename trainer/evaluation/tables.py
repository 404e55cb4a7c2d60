"""Tables of an evaluation, as rows of CSV files."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from trainer.evaluation.scores import ClassScores, Ints


def class_rows(classes: Sequence[str], rows: Sequence[ClassScores]) -> Iterator[Sequence[object]]:
    """Yield a row for each class."""
    yield ["class", "images", "recall", "precision", "f1"]
    for name, row in zip(classes, rows, strict=True):
        values = (row.recall, row.precision, row.f1)
        yield [name, row.images, *("" if v is None else f"{v:.6f}" for v in values)]


def confusion_rows(classes: Sequence[str], counts: Ints) -> Iterator[Sequence[object]]:
    """Yield the confusion matrix: a row for each right class."""
    yield ["label", *classes]
    for name, row in zip(classes, counts.tolist(), strict=True):
        yield [name, *row]


def write_csv(file: Path, rows: Iterator[Sequence[object]]) -> None:
    """Write rows, the first of them the heading."""
    with open(file, "w", newline="", encoding="utf-8", errors="backslashreplace") as out:
        csv.writer(out).writerows(rows)
