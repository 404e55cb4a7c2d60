"""An evaluation as people read it: lines, tables and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from trainer.core.file_kinds import printable
from trainer.core.files import reporting_disk
from trainer.evaluation.mistakes import Mistake
from trainer.evaluation.pictures import confusion_picture, mistakes_picture
from trainer.evaluation.scores import (
    BINS,
    Answers,
    Bin,
    ClassScores,
    balanced,
    calibration_error,
    class_scores,
    confused_pairs,
    confusion,
    flips,
    reliability,
)
from trainer.evaluation.tables import class_rows, confusion_rows, write_csv
from trainer.metrics import Scores
from trainer.record import provenance
from trainer.record.console import Console, number, percent, shown_path
from trainer.record.run_folder import Folder, make_folder, now_text
from trainer.record.style import ACCENT, FEW, GREY, clean_axes, new_figure
from trainer.run.context import RunContext
from trainer.run.network import Network
from trainer.run.request import RunRequest
from trainer.run.summary import plain_scores
from trainer.task._files import save_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 20  # classes that a table on the screen holds; the files hold all
MOST_PAIRS = 5


@dataclass(frozen=True)
class Evaluation:
    """What one network answered.

    Attributes:
        network: that was asked.
        scores: means over the images.
        answers: to each image, in order.
        mistakes: the gravest.
    """

    network: Network
    scores: Scores
    answers: Answers
    mistakes: Sequence[Mistake]


def write(
    found: Sequence[Evaluation],
    request: RunRequest,
    context: RunContext,
    console: Console,
    split: str,
    started: str,
) -> None:
    """Write the folder of an evaluation and print what it says.

    Args:
        found: of the network, and of the other one where there is one.
        request: what was asked for.
        context: the images.
        console: prints.
        split: of the images.
        started: when the evaluation began.
    """
    config, first = request.config, found[0]
    path = make_folder(request.folder, config.name, Path(config.outputs), is_latest=False)
    with reporting_disk(path):
        folder = Folder(path)
        folder.write_config(config.plain())
        console.open_log(path / "run.log")
        for note in request.notes:
            console.say(note, style="yellow")
        counts = confusion(first.answers)
        bins, rows = reliability(first.answers), class_scores(counts)
        names = context.data.file_names("test" if split == "test" else "val")
        write_csv(path / "images.csv", image_rows(found, names))
        write_csv(path / "classes.csv", class_rows(first.network.classes, rows))
        write_csv(path / "confusion.csv", confusion_rows(first.network.classes, counts))
        for line in lines(first, config.data.name, split, rows, bins, counts):
            console.say(line)
        if len(rows) <= MOST_ROWS:
            console.table(class_table(first.network.classes, rows))
        results = {"split": split, **results_of(first, rows, bins)}
        if len(found) > 1:
            results["against"] = {"run": found[1].network.label, **compared(found, console)}
        classes = first.network.classes
        title = f"{percent(first.scores.top1)} of {first.scores.num_images:,} images right"
        save_picture(
            path / "confusion.png", lambda: confusion_picture(counts, classes, title), console
        )
        save_picture(path / "calibration.png", lambda: calibration_figure(bins), console)
        if first.mistakes:
            surest = "What it was surest of, and wrong"
            save_picture(
                *(path / "mistakes.png", lambda: mistakes_picture(first.mistakes, classes, surest)),
                console,
            )
        folder.write_summary(
            {
                "status": "completed",
                "started": started,
                "ended": now_text(),
                "overrides": list(request.overrides),
                "evaluation": results,
                "data": {"name": config.data.name, "fingerprint": context.source.fingerprint},
                "classes": list(first.network.classes),
                "versions": provenance.versions(),
                "host": provenance.host(),
                "device": provenance.device_name(context.device),
                "precision": context.precision.name,
                "exit_code": 0,
            }
        )
    console.say(f"results   {shown_path(path)}")
    console.close()


def results_of(found: Evaluation, rows: list[ClassScores], bins: list[Bin]) -> dict[str, Any]:
    """Return what the summary says of a network."""
    return {
        "run": found.network.label,
        "images": found.scores.num_images,
        "balanced": balanced(rows),
        "calibration_error": calibration_error(bins),
        **(plain_scores(found.scores) or {}),  # a chosen calibration_error stands for ours
    }


def lines(
    found: Evaluation,
    data: str,
    split: str,
    rows: list[ClassScores],
    bins: list[Bin],
    counts: NDArray[np.int64],
) -> Iterator[str]:
    """Yield what people read first."""
    scores, classes = found.scores, found.network.classes
    parts = [f"loss {number(scores.loss)}", f"top-1 {percent(scores.top1)}"]
    parts += [f"top-5 {percent(scores.top5)}"] if scores.top5 is not None else []
    parts.append(f"balanced {percent(balanced(rows))}")
    parts += [f"{name} {number(value)}" for name, value in scores.more.items()]
    yield f"network   {found.network.label}"
    yield f"images    {scores.num_images:,} of {split}, {data}"
    yield f"scores    {'  '.join(parts)}"
    means = np.average([b.confidence for b in bins], weights=[b.images for b in bins])
    yield (
        f"sure      {percent(float(means))} on average, right {percent(scores.top1)}; calibration "
        f"error {percent(calibration_error(bins))} in {BINS} bins"
    )
    pairs = confused_pairs(counts)[:MOST_PAIRS]
    texts = [f"{printable(classes[a])} as {printable(classes[b])} ({n})" for a, b, n in pairs]
    yield f"mistakes  {'; '.join(texts) or 'none'}"


def compared(found: Sequence[Evaluation], console: Console) -> dict[str, Any]:
    """Return and print how two networks differ on the same images."""
    one, other = found
    flipped = flips(one.answers, other.answers)
    console.say(
        f"against   {other.network.label}: top-1 {percent(other.scores.top1)}; this one alone is "
        f"right on {flipped.gained}, that one alone on {flipped.lost} (p = {flipped.p:.2g}, "
        f"McNemar's exact test), both on {flipped.both}, neither on {flipped.neither}"
    )
    return {**(plain_scores(other.scores) or {}), **asdict(flipped), "p": flipped.p}


def image_rows(
    found: Sequence[Evaluation], names: Sequence[str] | None
) -> Iterator[Sequence[object]]:
    """Yield a row for each image."""
    more = ["against_guess", "against_probability"] if len(found) > 1 else []
    yield ["image", "file", "label", "guess", "probability", "label_probability", *more]
    first = found[0]
    classes, answers = first.network.classes, first.answers
    for i, label in enumerate(answers.labels.tolist()):
        row = answers.probabilities[i]
        cells = [i, names[i] if names else "", classes[label], classes[int(answers.guesses[i])]]
        cells += [f"{row.max():.6f}", f"{row[label]:.6f}"]
        for other in found[1:]:
            guess = int(other.answers.guesses[i])
            cells += [other.network.classes[guess], f"{other.answers.probabilities[i].max():.6f}"]
        yield cells


def class_table(classes: Sequence[str], rows: list[ClassScores]) -> Table:
    """Return the scores of each class, the worst recognised first."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
    for heading in ("class", "images", "recall", "precision"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    order = sorted(zip(classes, rows, strict=True), key=lambda pair: pair[1].recall or 0.0)
    for name, row in order:
        table.add_row(printable(name), str(row.images), percent(row.recall), percent(row.precision))
    return table


def calibration_figure(bins: Sequence[Bin]) -> Figure:
    """Return accuracy over confidence, and how many images have which confidence."""
    figure = new_figure(4.6, 5.2)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    places = [(b.low + b.high) / 2 for b in bins]
    widths = [0.9 * (b.high - b.low) for b in bins]
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1.0, linestyle="--")
    upper.bar(places, [b.accuracy for b in bins], widths, color=FEW[0])
    upper.plot([b.confidence for b in bins], [b.accuracy for b in bins], "D", color=ACCENT, ms=4)
    upper.set_ylim(0, 1)
    upper.set_ylabel("share that is right")
    error = calibration_error(list(bins))
    upper.set_title(f"Calibration error {percent(error)}", loc="left", fontsize=11)
    lower.bar(places, [b.images for b in bins], widths, color=GREY)
    lower.set_xlim(0, 1)
    lower.set_xlabel("how sure it was")
    lower.set_ylabel("images")
    for axes in (upper, lower):
        clean_axes(axes)
    return figure
