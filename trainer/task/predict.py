"""`task=predict`: what a trained network sees in a folder of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from trainer.core.errors import ConfigError, DataError
from trainer.core.weights_source import Origin
from trainer.data import PictureFile, find_pictures, read_pictures
from trainer.record.console import Console, shown_path
from trainer.run.request import RunRequest
from trainer.task._files import OutputFile, csv_rows, save_picture
from trainer.task._sheet import MOST, Captioned, sheet
from trainer.task._use import Asked, ask
from trainer.task.base import TASKS

NAMED = 5  # pictures that cannot be read, on the screen; the table has all of them


@dataclass(frozen=True)
class Table(OutputFile):
    """A CSV file."""

    SUFFIXES: ClassVar[tuple[str, ...]] = (".csv",)


@TASKS.register("predict")
@dataclass(frozen=True)
class Predict:
    """Names the classes of pictures: a row for each file, with the probability, in a CSV file, and
    a sheet of some of them, taken from all folders, beside it. What cannot be read is passed over
    and said.

    Pictures are brought to the network's size as those of a data set are. Memory does not grow with
    their number.

    Attributes:
        run: a run and which of its weights, or a weights file.
        images: a folder, looked through however deep, or one picture.
        out: the table, which must not be there yet.
        top: classes that are named for each picture, the likeliest first.
    """

    run: Origin
    images: str
    out: Table = Table("predictions.csv")
    top: int = 1

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ConfigError(f"task.top must be at least 1, got {self.top}")

    def perform(self, request: RunRequest) -> None:
        """Write table and sheet.

        Raises:
            TrainerError: for everything that a user can mend; no table is left then.
        """
        self.out.check_new("task.out")
        console = Console(quiet=request.quiet)
        folder, names = find_pictures(Path(self.images))
        with console.listening():
            asked = ask(request, self.run)
        classes = asked.network.classes
        if self.top > len(classes):
            raise ConfigError(f"task.top={self.top}: the network knows {len(classes)} classes")
        broken: list[PictureFile] = []
        shown: list[Captioned] = []
        batches = read_pictures(
            folder, names, image_shape=asked.network.image_shape, bits=asked.network.bits
        )
        with (
            console.terminal.status("") as status,
            csv_rows(self.out.file, heading(self.top)) as table,
        ):
            done = 0
            for batch in batches:
                found = zip(batch, self.guesses(asked, batch), strict=True)
                for number, (picture, guesses) in enumerate(found, done):
                    cells = [cell for name, p in guesses for cell in (name, f"{p:.6f}")]
                    padding = [""] * (2 * self.top - len(cells))
                    table.writerow([picture.name, *cells, *padding, picture.problem])
                    if picture.pixels is None:
                        broken.append(picture)
                    elif len(shown) < MOST and number * MOST >= len(names) * len(shown):
                        text = "\n".join(f"{name}, {100 * p:.0f} %" for name, p in guesses[:2])
                        shown.append(Captioned(picture.pixels, text, name=picture.name))
                done += len(batch)
                status.update(f"{done:,} of {len(names):,} pictures")
            if len(broken) == len(names):
                raise DataError(f"none of {len(names)} files can be read: {broken[0].problem}")
        for picture in broken[:NAMED]:
            console.say(f"passed over: {picture.problem}", style="yellow")
        if len(broken) > NAMED:
            console.say(f"and {len(broken) - NAMED} more, named in the table", style="yellow")
        console.say(
            f"{asked.network.label}: {len(names) - len(broken):,} pictures of {folder}, "
            f"{len(broken)} passed over"
        )
        console.say(f"table     {shown_path(self.out.file.absolute())}")
        title = f"{len(shown)} of {len(names):,} pictures"
        save_picture(self.out.file.with_suffix(".png"), lambda: sheet(shown, title), console)

    def guesses(self, asked: Asked, batch: list[PictureFile]) -> list[list[tuple[str, float]]]:
        """Return the likeliest classes of each picture with their probabilities; none for those
        that cannot be read."""
        readable = [picture.pixels for picture in batch if picture.pixels is not None]
        found: list[list[tuple[str, float]]] = []
        for low in range(0, len(readable), PASS):
            images = torch.from_numpy(np.stack(readable[low : low + PASS]))
            best = asked.logits(images).double().softmax(1).topk(self.top)
            names = [[asked.network.classes[i] for i in row] for row in best.indices.tolist()]
            found += [
                list(zip(*pair, strict=True))
                for pair in zip(names, best.values.tolist(), strict=True)
            ]
        left = iter(found)
        return [next(left) if picture.pixels is not None else [] for picture in batch]


PASS = 64  # pictures of a forward pass


def heading(top: int) -> list[str]:
    """Return the names of the table's columns."""
    ranks = ["" if rank == 1 else f"_{rank}" for rank in range(1, top + 1)]
    pairs = [name for rank in ranks for name in (f"class{rank}", f"probability{rank}")]
    return ["file", *pairs, "problem"]
