"""The record of a run on disk, and `read_runs`, which gives it back as typed rows."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

import yaml

from trainer.errors import ConfigError, NotFound
from trainer.files import replace_text, reporting_disk
from trainer.sources import read_yaml


@dataclass(frozen=True)
class EpochRow:
    """One line of `metrics.jsonl`. Accuracies are shares; what did not apply is None here and
    absent there.

    Attributes:
        epoch: passes over the training images so far.
        step: optimizer steps so far.
        lr: of the epoch's last step; `momentum` likewise.
        train_loss: mean over the images of the epoch.
        train_top1: target mass on the predicted class, mean over the epoch.
        avg_val_loss: of the averaged weights.
        images_per_s: images trained on per second of `train_s`.
        train_s: seconds in training steps.
        average_s: seconds preparing the averaged weights.
        eval_s: seconds evaluating.
        grad_norm: global norm of the epoch's last gradient before clipping.
        skipped_steps: steps skipped by the loss scaler so far.
        max_memory_bytes: peak of the device's memory, or of the process on a CPU.
    """

    epoch: float
    step: int
    lr: float
    train_loss: float
    train_top1: float
    momentum: float | None = None
    val_loss: float | None = None
    val_top1: float | None = None
    val_top5: float | None = None
    avg_val_loss: float | None = None
    avg_val_top1: float | None = None
    images_per_s: float | None = None
    train_s: float | None = None
    average_s: float | None = None
    eval_s: float | None = None
    grad_norm: float | None = None
    loss_scale: float | None = None
    skipped_steps: int | None = None
    max_memory_bytes: int | None = None

    def plain(self) -> dict[str, Any]:
        """Return the row without what does not apply."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True)
class RunRow:
    """A run as its folder tells it.

    Attributes:
        path: the run's folder.
        config: the resolved configuration, plain.
        epochs: rows of `metrics.jsonl`.
        status: `completed`, `diverged`, `interrupted`, `failed`, or `unfinished` where nothing says
            how it ended.
        key: says when two runs must agree; None while unfinished.
        test: test scores of the final weights, where tested; `test_avg` of the averaged ones.
        summary: the whole of `summary.json`.
    """

    path: Path
    config: Mapping[str, Any]
    epochs: tuple[EpochRow, ...]
    status: str
    key: str | None = None
    test: Mapping[str, float] | None = None
    test_avg: Mapping[str, float] | None = None
    best_val_top1: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def val_top1(self) -> float | None:
        """Validation accuracy of the final weights."""
        return self.epochs[-1].val_top1 if self.epochs else None


def read_runs(*places: str | os.PathLike[str]) -> list[RunRow]:
    """Return the runs under folders, however deep, in the order of their paths; `outputs` where
    none is named.

    Raises:
        NotFound: if a place does not exist.
    """
    runs = []
    for place in places or ("outputs",):
        root = Path(place)
        if not root.is_dir():
            raise NotFound(f"no folder {root} to read runs from")
        found = {
            f.parent.resolve() for f in root.rglob("config.yaml") if (f.parent / "run.log").exists()
        }
        runs += [read_run(path) for path in sorted(found)]
    return runs


def read_run(path: Path) -> RunRow:
    """Return one run's folder as a row; half-written last lines of a killed run are left out."""
    summary: dict[str, Any] = {}
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        summary = json.loads((path / "summary.json").read_text())
    return RunRow(
        path=path,
        config=read_yaml(path / "config.yaml"),
        epochs=tuple(epoch_row(line) for line in read_lines(path / "metrics.jsonl")),
        status=summary.get("status", "unfinished"),
        key=summary.get("key"),
        test=summary.get("test"),
        test_avg=summary.get("test_avg"),
        best_val_top1=summary.get("best_val_top1"),
        seconds=summary.get("seconds", {}),
        summary=summary,
    )


def epoch_row(line: Mapping[str, Any]) -> EpochRow:
    """Return a row of `metrics.jsonl`; fields of later versions are left out."""
    known = {f.name for f in fields(EpochRow)}
    return EpochRow(**{k: v for k, v in line.items() if k in known})


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file, one per line, up to the first that is damaged."""
    rows: list[dict[str, Any]] = []
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return rows


class Folder:
    """The folder of one run, written by the one process that records.

    Args:
        path: exists already.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self._lock: IO[str] | None = None

    def lock(self) -> None:
        """Become the run's only writer; a crashed holder's lock is free at once.

        Raises:
            ConfigError: if another process is writing this run.
        """
        self._lock = open(self.path / ".lock", "a+")  # noqa: SIM115  # held until the process ends or `close`
        try:
            import fcntl

            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows: runs are not locked there
            return
        except OSError as error:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "another process"
            raise ConfigError(f"{self.path} is being written by {holder}") from error
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()}")
        self._lock.flush()

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.close()
            (self.path / ".lock").unlink(missing_ok=True)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the resolved configuration."""
        replace_text(
            self.path / "config.yaml",
            yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True),
        )

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write how the run ended."""
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
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def cut_rows(self, step: int) -> None:
        """Drop epochs after a step, and half-written lines: where a resumed run goes on."""
        rows = [row for row in read_lines(self.path / "metrics.jsonl") if row["step"] <= step]
        replace_text(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def check_folder(wanted: str | None, root: Path = Path("outputs")) -> None:
    """Raise ConfigError if a run's folder could not be made, as far as that can be told without
    making it.

    Args:
        wanted: the folder that the user asked for, or None.
        root: folder of all results.
    """
    path = (root if wanted is None else Path(wanted)).absolute()
    if wanted is not None and path.is_dir() and any(path.iterdir()):
        raise ConfigError(
            f"{path} is not empty: two runs never share a folder; name another, or resume={path}"
        )
    existing = next(p for p in (path, *path.parents) if p.exists())
    if not existing.is_dir():
        raise ConfigError(f"cannot write {path}: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot write {path}: no permission to write in {existing}")


def make_folder(wanted: str | None, name: str, root: Path = Path("outputs")) -> Path:
    """Create the folder of a run or sweep and return it; two runs never share one.

    Args:
        wanted: the folder that the user asked for, or None.
        name: of the experiment.
        root: folder of all results.

    Raises:
        ConfigError: if it exists and is not empty, or may not be written.
        DiskError: if the disk is full or read-only.
    """
    try:
        if wanted is not None:
            path = Path(wanted).absolute()
            with reporting_disk(path):
                path.mkdir(parents=True, exist_ok=True)
            check_folder(wanted, root)
        else:
            stamp = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
            path = (root / name / f"{stamp}_{secrets.token_hex(3)}").absolute()
            with reporting_disk(path):
                path.mkdir(parents=True)
                point_latest(root, path)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise ConfigError(
            f"cannot write {error.filename}: {(error.strerror or 'refused').lower()}"
        ) from error
    return path


def point_latest(root: Path, path: Path) -> None:
    """Let `outputs/latest` point to a folder, where the system has links."""
    link, temporary = root / "latest", root / f".latest-{secrets.token_hex(4)}"
    with contextlib.suppress(OSError, NotImplementedError):
        temporary.symlink_to(os.path.relpath(path, root), target_is_directory=True)
        os.replace(temporary, link)


@contextlib.contextmanager
def removed_if_unused(path: Path) -> Iterator[None]:
    """Remove a folder again if what was to fill it fails before writing anything."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.rmdir()
        raise
