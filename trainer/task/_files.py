"""Files that tasks write: tables, networks, pictures."""

from __future__ import annotations

import contextlib
import csv
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from PIL.Image import Image

from trainer.core.convert import Written, shown
from trainer.core.errors import ConfigError
from trainer.core.files import check_writable, reporting_disk
from trainer.record.console import Console, shown_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class OutputFile(Written):
    """A file to be written, of the kinds that its end may say.

    Attributes:
        path: as written.
    """

    path: str
    SUFFIXES: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
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
        """Raise ConfigError if the file cannot be written."""
        if not self.file.parent.is_dir():
            raise ConfigError(f"{key}={self.path}: there is no folder {self.file.parent}")
        check_writable(self.file, key)

    def check_new(self, key: str) -> None:
        """Raise ConfigError if the file is there, or cannot be written."""
        if os.path.lexists(self.file):
            raise ConfigError(f"{key}={self.path} is there already: remove it, or name another")
        self.check(key)


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


def save_picture(file: Path, draw: Callable[[], Figure | Image], console: Console) -> None:
    """Write a picture and say where it is; a failure costs no more than it."""
    try:
        drawn = draw()
        drawn.save(file) if isinstance(drawn, Image) else drawn.savefig(file)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        console.say(f"picture   none ({reason}); the numbers are there", style="yellow")
    else:
        console.say(f"picture   {shown_path(file)}")
