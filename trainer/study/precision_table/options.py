"""The options of the precision table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trainer.core.environment import cores

MODELS = ("resnet50", "inception_v3", "mobilenet_v2")

IMAGENET = 1281167  # training images


def split_by(of: Callable[[str], Any] = str) -> Callable[[str], list[Any]]:
    """Return a type for argparse: values separated by commas."""
    return lambda text: [of(part.strip()) for part in text.split(",") if part.strip()]


def parse_options(
    arguments: Sequence[str], parser: argparse.ArgumentParser | None = None
) -> argparse.Namespace:
    """Return the options of a command line, its lists split, with the arguments themselves.

    Args:
        arguments: of the command line.
        parser: gets the options; argparse's own by default.
    """
    parser = parser or argparse.ArgumentParser()
    add, names = parser.add_argument, split_by()
    add("--models", type=names, default=list(MODELS), help="of torchvision; empty for none")
    add("--precisions", type=names, default=["fp32", "tf32", "bf16", "fp16"])
    add("--batch", type=int, help="images per step of the rows at equal batch")
    add("--batches", type=split_by(int), help="tried for each row at its best; empty for none")
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
    options = parser.parse_args(arguments)
    options.arguments = list(arguments)
    return options
