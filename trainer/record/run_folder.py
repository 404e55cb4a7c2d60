"""The folder of a run: made once, written by one process, whole at any moment."""

import contextlib
import datetime
import errno
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from trainer.core.errors import ConfigError, TrainerError
from trainer.core.files import (
    clear_temporaries,
    dangling,
    replace_text,
    reporting_disk,
    sync,
    sync_folder,
)
from trainer.core.locks import Lock, LockHeld
from trainer.core.yaml_files import read_yaml
from trainer.record.runs import EpochRow, read_lines

FILES = (".lock", "config.yaml", "run.log", "metrics.jsonl", "summary.json", "source.diff")

LATEST = "latest"  # the link to the newest run, and so no experiment's name
FOLDERS = ("checkpoints", "tensorboard")

WRITTEN = ("config.yaml", "metrics.jsonl", "summary.json")  # whole, by way of a file beside them


class Folder:
    """The folder of one run, written by the one process that records.

    Args:
        path: exists already.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self._lock = Lock(path / ".lock")

    def lock(self) -> None:
        """Become the run's only writer; a crashed holder's lock is free at once.

        Raises:
            ConfigError: if another process is writing this run, or something else is where its
                files are to be.
        """
        for name in (*FILES, *FOLDERS):
            place = self.path / name
            if place.is_dir() if name in FILES else os.path.lexists(place) and not place.is_dir():
                kind = "a file" if name in FILES else "a folder"
                raise ConfigError(f"{place} must be {kind}: move away what is there instead")
        try:
            self._lock.acquire()
        except LockHeld as error:
            raise ConfigError(f"{self.path} is being written by {error.holder}") from error

    def close(self) -> None:
        """Release the lock, if it is held; its file goes with it."""
        self._lock.release()

    def tidy(self) -> None:
        """Remove what a writer left that was killed after its last word; if nobody writes."""
        with contextlib.suppress(OSError, TrainerError):
            self.lock()
            clear_temporaries(self.path, WRITTEN)
            self.close()

    def write_config(self, config: Mapping[str, Any]) -> None:
        replace_text(
            self.path / "config.yaml",
            yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True),
        )

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        replace_text(
            self.path / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
        )

    def add_row(self, row: EpochRow) -> None:
        """Append an epoch to `metrics.jsonl`, flushed to the disk: a checkpoint may follow that
        counts on it."""
        line = json.dumps(row.plain()) + "\n"
        with (
            reporting_disk(self.path, len(line)),
            open(self.path / "metrics.jsonl", "a", encoding="utf-8") as file,
        ):
            is_new = file.tell() == 0
            file.write(line)
            file.flush()
            sync(file.fileno(), self.path / "metrics.jsonl")
            if is_new:
                sync_folder(self.path)

    def reopen(self, step: int, config: Mapping[str, Any]) -> None:
        """Make the folder ready for a run that goes on from a step: rows after it, the word on how
        the run had ended and what a killed writer left half done go; what it was allowed to change
        is in the configuration from now on."""
        if read_yaml(self.path / "config.yaml") != config:
            self.write_config(config)
        self.cut_rows(step)
        (self.path / "summary.json").unlink(missing_ok=True)
        clear_temporaries(self.path, WRITTEN)

    def cut_rows(self, step: int) -> None:
        """Drop epochs after a step, and half-written lines: where a resumed run goes on."""
        rows = [row for row in read_lines(self.path / "metrics.jsonl") if row["step"] <= step]
        replace_text(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def now_text() -> str:
    """Return the present moment with its offset from UTC, as records hold it."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def check_folder(wanted: str | None, root: Path = Path("outputs")) -> None:
    """Raise ConfigError if the folder that a user asks for could not be made, DiskError if its disk
    is read-only, as far as that can be told without making it."""
    path = (root if wanted is None else Path(wanted)).absolute()
    try:
        str(path).encode()
    except UnicodeEncodeError as error:  # bytes that are no UTF-8 come as surrogates
        raise ConfigError(
            f"cannot record in {str(path)!a}: the folder's name is no UTF-8 text, and records "
            "name it; work in another folder"
        ) from error
    if wanted is not None and path.is_dir() and any(path.iterdir()):
        raise ConfigError(
            f"{path} is not empty: two runs never share a folder; name another, or resume={path}"
        )
    real = Path(os.path.realpath(path))
    of_run, of_sweep = ("config.yaml", "run.log"), ("sweep.yaml",)
    for place in (real, *real.parents) if wanted is None else real.parents:
        for what, marks in (("run", of_run), ("sweep", of_sweep)):
            is_job = what == "sweep" and wanted is not None
            if not is_job and all((place / name).is_file() for name in marks):
                raise ConfigError(f"cannot write {path}: {place} is the folder of a {what}")
    nowhere = dangling(path)
    if nowhere is not None:
        raise ConfigError(f"cannot write {path}: {nowhere}")
    existing = next(p for p in (path, *path.parents) if p.exists())
    if not existing.is_dir():
        raise ConfigError(f"cannot write {path}: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        with reporting_disk(path):
            check_read_only(existing)
        raise ConfigError(f"cannot write {path}: no permission to write in {existing}")


def check_read_only(path: Path) -> None:
    """Raise OSError as writing would, if a path lies on a disk that is read-only."""
    if os.name == "posix" and os.statvfs(path).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def make_folder(
    wanted: str | None, name: str, root: Path = Path("outputs"), *, is_latest: bool = True
) -> Path:
    """Create the folder of a run or sweep and return it; two runs never share one.

    Args:
        wanted: the folder that the user asked for, or None.
        name: of the experiment.
        root: folder of all results.
        is_latest: whether `outputs/latest` is to lead to it.

    Raises:
        ConfigError: if it exists and is not empty, or may not be written.
        DiskError: if the disk is full or read-only.
    """
    check_folder(wanted, root)
    try:
        if wanted is not None:
            path = Path(wanted).absolute()
            with reporting_disk(path):
                path.mkdir(parents=True, exist_ok=True)
                sync_folder(path.parent)
        else:
            # in UTC, which the Z says: in the order of time wherever they were made
            now = datetime.datetime.now(datetime.UTC)
            stamp = now.strftime("%Y-%m-%d_%H-%M-%SZ")
            path = (root / name / f"{stamp}_{secrets.token_hex(3)}").absolute()
            with reporting_disk(path):
                path.mkdir(parents=True)
                sync_folder(path.parent)
                if is_latest:
                    link, temporary = root / LATEST, root / f".latest-{secrets.token_hex(4)}"
                    with contextlib.suppress(OSError, NotImplementedError):
                        where = os.path.relpath(path, root)
                        temporary.symlink_to(where, target_is_directory=True)
                        os.replace(temporary, link)
    except PermissionError as error:
        raise ConfigError(
            f"cannot write {path}: no permission to write in {Path(error.filename).parent}"
        ) from error
    except (NotADirectoryError, FileExistsError, FileNotFoundError) as error:
        raise ConfigError(
            f"cannot write {error.filename}: {(error.strerror or 'refused').lower()}"
        ) from error
    return path


@contextlib.contextmanager
def removed_if_unused(path: Path) -> Iterator[None]:
    """Remove a folder again if what was to fill it fails before writing anything."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.rmdir()
        raise
