"""Networks by number formats: time per epoch, images/s, memory, and accuracy where trained.

Usage: python -m trainer.study.precision_table [--models resnet50,...] [--precisions fp32,...]
       [--train-data mnist --root DIR] [--out precision_table]

Speed is that of whole training steps (images resident, forward, backward, optimizer) of
torchvision's networks on made-up images, first at one batch size for all, then each at the best of
those tried. Accuracy is that of small networks, trained for a few epochs. Every measurement has a
process of its own, and rounds are interleaved. What this machine does not have is shown as refused.
Writes table.md, table.json, speed.csv and trained.csv.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trainer.core.environment import World, cores
from trainer.core.errors import telling_errors
from trainer.run.device import choose_device
from trainer.study.precision_table.report import write
from trainer.study.precision_table.table import PrecisionTable

MODELS = ("resnet50", "inception_v3", "mobilenet_v2")

IMAGENET = 1281167  # training images


def listed(of: Callable[[str], Any] = str) -> Callable[[str], list[Any]]:
    """Return a reader of values separated by commas."""
    return lambda text: [of(part.strip()) for part in text.split(",") if part.strip()]


def parse_options(overrides: Sequence[str]) -> argparse.Namespace:
    """Return the options of a command line, its lists split, with the words themselves."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.study.precision_table",
        description="Networks by number formats: time per epoch, images/s, memory, accuracy.",
        epilog="Left out, the size is what suits the device: less on a processor than on a GPU.",
    )
    add, names = parser.add_argument, listed()
    add("--models", type=names, default=list(MODELS), help="of torchvision; empty for none")
    add("--precisions", type=names, default=["fp32", "tf32", "bf16", "fp16"])
    add("--batch", type=int, help="images per step of the rows at equal batch")
    add("--batches", type=listed(int), help="tried for each row at its best; empty for none")
    add("--px", type=int, help="side of the images; by default the network's, less on a processor")
    add("--images", type=int, help="timed in each measurement, at least one batch")
    add("--warmup", type=int, help="steps before the clock starts")
    add("--rounds", type=int, default=3)
    add("--epoch-images", type=int, default=IMAGENET, help="of the epoch extrapolated to")
    add("--device", default="auto")
    add("--threads", type=int, default=cores())
    add("--train-data", default="", help="data set to train small networks on, such as mnist")
    add("--root", type=Path, default=Path("data"), help="folder of the data sets")
    add("--train-models", type=names, default=["cnn"])
    add("--train-epochs", type=float, default=2.0)
    add("--train-words", type=str.split, default=[], help="more words for them, as one text")
    add("--seeds", type=int, default=3)
    add("--out", type=Path, default=Path("precision_table"), help="folder of the files")
    options = parser.parse_args(overrides)
    options.overrides = list(overrides)
    return options


def main() -> None:
    """Measure what the command line says, and write and print the table."""
    options = parse_options(sys.argv[1:])
    with telling_errors():
        table = PrecisionTable(options, choose_device(options.device, World()))
        table.check()
        table.at_equal_batch()
        table.at_best_batch()
        if options.train_data:
            table.trained()
    print(write(options.out, table.speeds, table.scores, table.facts()))


if __name__ == "__main__":
    main()
