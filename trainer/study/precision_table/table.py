"""The measurements of the precision table, in turns."""

from __future__ import annotations

import argparse
import datetime
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import torch

from trainer.api import compose
from trainer.core.command import command_line
from trainer.core.environment import World, load_text
from trainer.core.errors import unknown
from trainer.precision.formats import NAMES
from trainer.record import provenance
from trainer.run.device import choose_device
from trainer.study.precision_table.measure import CellScore, Speed, apart, measure, score
from trainer.study.precision_table.report import ScoreRow, SpeedRow

NATIVE_PX = {"inception_v3": 299}  # the others: 224


@dataclass(frozen=True)
class Size:
    """How much is measured; a processor gets by with less than a GPU.

    Attributes:
        batch: of the rows at equal batch.
        batches: tried for each row at its best.
        images: timed in each measurement, at least one batch.
        warmup: steps before the clock starts.
        num_classes: of the made-up images.
        shrink: side of the images as a share of the native one.
    """

    batch: int
    batches: tuple[int, ...]
    images: int
    warmup: int
    num_classes: int
    shrink: float


SIZES = {
    "cuda": Size(64, (64, 128, 256, 512), 2560, 5, 1000, 1.0),
    "cpu": Size(8, (8, 16, 32), 16, 1, 10, 3 / 7),
}


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class PrecisionTable:
    """The measurements of one table.

    Args:
        options: of the command line, lists split.
        device: that it is measured on.
    """

    def __init__(self, options: argparse.Namespace, device: torch.device) -> None:
        self.options, self.device = options, device
        size = SIZES.get(device.type, SIZES["cpu"])
        given = {k: getattr(options, k) for k in ("batch", "batches", "images", "warmup")}
        self.size = replace(size, **{k: v for k, v in given.items() if v is not None})
        self.speeds: list[SpeedRow] = []
        self.scores: list[ScoreRow] = []

    def px(self, model: str) -> int:
        """Return the side of a network's images."""
        native = NATIVE_PX.get(model, 224)
        return self.options.px or round(native * self.size.shrink)

    def speed(self, row: SpeedRow, batch: int) -> Speed:
        """Measure a row once."""
        steps, classes = max(1, round(self.size.images / batch)), self.size.num_classes
        num_train = max((self.size.warmup + steps + 1) * batch, classes)
        overrides = (
            *("data=synthetic", f"data.num_train={num_train}", "data.val=0"),
            *(f"data.num_test={classes}", f"data.num_classes={classes}"),
            *(f"data.image_shape=[3,{row.px},{row.px}]", "model=torchvision"),
            *(f"model.arch={row.model}", f"precision={row.precision}", f"batch_size={batch}"),
            *(f"device={self.options.device}", f"threads={self.options.threads}"),
        )
        found = apart(measure, overrides, self.size.warmup, steps) or Speed(
            why="its process died, of too little memory perhaps"
        )
        rate = "" if found.images_per_s is None else f"{found.images_per_s:.4g} images/s"
        say(f"{row.model} {row.precision} batch {batch}: {rate or found.why}")
        return found

    def rounds(self, rows: Sequence[SpeedRow]) -> None:
        """Measure rows in turns until each has as many samples as there are rounds."""
        for number in range(self.options.rounds):
            for row in rows:
                if row.why is None and len(row.samples) <= number:
                    row.samples.append(self.speed(row, row.batch))

    def at_equal_batch(self) -> None:
        """Measure every network in every precision at one batch size."""
        rows = [
            SpeedRow(m, p, "equal", self.size.batch, self.px(m))
            for m in self.options.models
            for p in self.options.precisions
        ]
        self.rounds(rows)
        self.speeds += rows

    def at_best_batch(self) -> None:
        """Find each row's fastest batch among those tried, and measure it there."""
        if not self.size.batches:
            return
        rows = []
        for equal in [row for row in self.speeds if row.at == "equal" and row.why is None]:
            tried = {equal.batch: statistics.median(equal.rates)}
            for batch in self.size.batches:
                rate = None if batch in tried else self.speed(equal, batch).images_per_s
                tried |= {} if rate is None else {batch: rate}
            best = max(tried, key=lambda batch: tried[batch])
            # measured anew even where it is the equal one: rounds compare what ran side by side
            rows.append(replace(equal, at="best", batch=best, samples=[], tried=tried))
        self.rounds(rows)
        self.speeds += rows

    def trained(self) -> None:
        """Train small networks for a few epochs, over seeds, in every precision."""
        options = self.options
        rows = [ScoreRow(m, p) for m in options.train_models for p in options.precisions]
        for seed in range(options.seeds):
            for row in (r for r in rows if r.why is None):
                overrides = (*self.training_overrides(row.model, row.precision), f"seed={seed}")
                row.samples.append(apart(score, overrides) or CellScore(why="its process died"))
                last = row.samples[-1]
                say(f"{row.model} {row.precision} seed {seed}: {last.why or f'top-1 {last.top1}'}")
        self.scores += rows

    def training_overrides(self, model: str, precision: str) -> tuple[str, ...]:
        """Return the command line of a training run, without its seed."""
        options = self.options
        return (
            *("name=precision_table", f"data={options.train_data}", f"data.root={options.root}"),
            *(f"model={model}", f"precision={precision}", f"epochs={options.train_epochs}"),
            *(f"device={options.device}", f"threads={options.threads}", *options.train_words),
        )

    def check(self) -> None:
        """Raise ConfigError for a name that does not exist, before anything is measured."""
        for precision in self.options.precisions:
            if precision not in NAMES:
                raise unknown("precision", precision, NAMES)
        for model in self.options.models:
            compose("model=torchvision", f"model.arch={model}")
        if self.options.train_data:
            for model in self.options.train_models:
                compose(*self.training_overrides(model, "fp32"))

    def facts(self) -> dict[str, Any]:
        """Return when, where and how the table was made."""
        options, host, size = self.options, provenance.host(), asdict(self.size)
        command = command_line("precision_table", *without_root(options.arguments))
        return {
            "command": command,
            "git": provenance.git_state()[0],
            "date": datetime.date.today().isoformat(),
            "device": provenance.device_name(self.device),
            "machine": {key: host[key] for key in ("processor", "cores")},
            "threads": options.threads,
            "load": load_text(),
            "versions": provenance.versions(),
            "rounds": options.rounds,
            "timed_images": size["images"],
            "warmup_steps": size["warmup"],
            "batches": sorted({size["batch"], *size["batches"]}),
            "data": f"made up, {size['num_classes']} classes",
            "epoch_images": options.epoch_images,
            "training": (
                f"{options.train_epochs:g} epoch(s) of `data={options.train_data}`"
                f"{''.join(f', `{word}`' for word in options.train_words)}, the rest as by "
                "default. Accuracy on the test images, in percent: mean and sd over seeds; "
                "differences seed by seed."
            ),
        }


def measured(options: argparse.Namespace) -> PrecisionTable:
    """Return the table with everything measured that the options ask for.

    Raises:
        ConfigError: for a network, format or device that does not exist, before any measurement.
    """
    table = PrecisionTable(options, choose_device(options.device, World()))
    table.check()
    table.at_equal_batch()
    table.at_best_batch()
    if options.train_data:
        table.trained()
    return table


def without_root(arguments: Sequence[str]) -> list[str]:
    """Return arguments as a page shows them: a place on this machine says nothing elsewhere."""
    shown = ["DIR" if before == "--root" else text for before, text in pairwise(["", *arguments])]
    return ["--root=DIR" if text.startswith("--root=") else text for text in shown]
