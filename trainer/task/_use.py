"""What the tasks share that use a trained network."""

from __future__ import annotations

import contextlib
import csv
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from trainer.augment import Views, choose_views
from trainer.checkpoint.weights import read_weights
from trainer.core.convert import Written, plain_choice, shown
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.core.files import check_writable, reporting_disk
from trainer.core.weights_source import Origin
from trainer.precision.step import Precision
from trainer.run.context import read_images
from trainer.run.device import prepare
from trainer.run.network import Network, network_of
from trainer.run.request import RunRequest


@dataclass(frozen=True)
class Asked:
    """A network that is asked as its run asked it in evaluations.

    Attributes:
        network: the network.
        precision: of its passes.
        views: of each image.
    """

    network: Network
    precision: Precision
    views: Views

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, K) of stored images (B, C, H, W), in at least float32."""
        with torch.inference_mode(), self.precision.autocast():
            logits = self.network.logits(images, self.views)
        return logits if logits.dtype == torch.float64 else logits.float()


def ask(request: RunRequest, origin: Origin) -> Asked:
    """Return the network that a task of one process names, on the device and in the number format
    that the configuration chose.

    Raises:
        TrainerError: for everything that a user can mend.
    """
    config = request.config
    check_alone(config.task.name)
    device, _, precision = prepare(config, World())
    network = trained_network(request, origin, device, precision.dtype)
    return Asked(network, precision, choose_views(config.tta, network.image_shape, 1))


def trained_network(
    request: RunRequest,
    origin: Origin,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> Network:
    """Return the network that `task.run` names; see `network_of`."""
    config = request.config
    model = plain_choice(config.model)
    weights = read_weights("task.run", origin, model)
    return network_of(weights, model, lambda: read_images(config), device=device, dtype=dtype)


def check_alone(task: str) -> None:
    """Raise ConfigError under torchrun: some tasks need one process."""
    if World.from_environment().size > 1:
        raise ConfigError(f"task={task} works in one process: leave out torchrun")


@dataclass(frozen=True)
class OutputFile(Written):
    """A file to be written, which is not there yet.

    Attributes:
        path: as written.
    """

    path: str
    SUFFIXES: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def parse(cls, value: object, key: str) -> OutputFile:
        """Return the file written as `value`."""
        path = Path(value).expanduser() if isinstance(value, str) else None
        if path is None or path.suffix.lower() not in cls.SUFFIXES:
            ends = " or ".join(cls.SUFFIXES)
            raise ConfigError(f"{key} must be a file that ends in {ends}, got {shown(value)}")
        return cls(str(value))

    def __str__(self) -> str:
        return self.path

    @property
    def file(self) -> Path:
        """The file itself."""
        return Path(self.path).expanduser()

    def check(self, key: str) -> None:
        """Raise ConfigError if the file is there, or cannot be written."""
        if os.path.lexists(self.file):
            raise ConfigError(f"{key}={self.path} is there already: remove it, or name another")
        if not self.file.parent.is_dir():
            raise ConfigError(f"{key}={self.path}: there is no folder {self.file.parent}")
        check_writable(self.file, key)


@contextlib.contextmanager
def written_whole(file: Path) -> Iterator[Path]:
    """Yield a path beside a file, which becomes the file if nothing fails."""
    making = file.with_name(f".{file.stem}-{secrets.token_hex(4)}{file.suffix}")
    with reporting_disk(file):
        try:
            yield making
            os.replace(making, file)
        finally:
            making.unlink(missing_ok=True)


@contextlib.contextmanager
def csv_rows(file: Path, heading: Sequence[str]) -> Iterator[Any]:
    """Yield a writer of the rows of a table, which appears whole at the end."""
    with (
        written_whole(file) as making,
        open(making, "w", newline="", encoding="utf-8", errors="backslashreplace") as out,
    ):
        table = csv.writer(out)
        table.writerow(heading)
        yield table
