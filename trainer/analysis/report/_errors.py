"""Where the best runs err, as their folders tell it: classes, pairs, pictures."""

import base64
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainer.analysis._arms import Arm
from trainer.analysis._tables import value_text
from trainer.analysis.report._facts import Best
from trainer.analysis.report._table import readable
from trainer.record.runs import ERRORS, RunRow

MOST = 3  # runs whose pictures are in a page
LARGEST = 2_000_000  # bytes of a picture
PICTURES = ("confusion", "mistakes")


@dataclass(frozen=True)
class ErrorsOf:
    """What the network of one run mistakes: text for people, pictures as addresses of data."""

    title: str
    worst: str
    confused: str
    pictures: tuple[tuple[str, str], ...]


def errors_of(best: Sequence[Best], arms: Sequence[Arm]) -> list[ErrorsOf]:
    """Return the errors of a run of the best setting on each data set, of those that looked at test
    images."""
    found = []
    for one in best[:MOST]:
        run = next((r for r in arms[one.arm].completed if r.summary.get("errors")), None)
        if run is not None:
            with contextlib.suppress(LookupError, TypeError, AttributeError):  # edited by hand
                found.append(of_run(run, f"{one.label} on {one.data}, {run.path.name}"))
    return found


def of_run(run: RunRow, title: str) -> ErrorsOf:
    errors: dict[str, Any] = run.summary["errors"]
    worst = [f"{c['class']} ({value_text(c['recall'], 'top1')} %)" for c in errors["worst"][:5]]
    pairs = [f"{p['class']} as {p['as']} ({p['images']})" for p in errors["confused"][:5]]
    pictures = []
    for name in PICTURES:
        file = run.path / ERRORS / f"{name}.png"
        if file.is_file() and file.stat().st_size <= LARGEST:
            data = base64.b64encode(file.read_bytes()).decode()
            pictures.append((name, f"data:image/png;base64,{data}"))
    error = value_text(errors["calibration_error"], "top1")
    return ErrorsOf(
        readable(title),
        readable("; ".join(worst)),
        readable(f"{'; '.join(pairs) or 'none'}; calibration error {error} %"),
        tuple(pictures),
    )
