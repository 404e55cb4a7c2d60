"""The record of a run on disk, and `read_runs`, which gives it back as typed rows."""

import contextlib
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from trainer.core.errors import ConfigError, NotFound
from trainer.core.files import dangling
from trainer.core.yaml_files import flat, leaf, read_yaml
from trainer.record.run_list import Runs, html_table, line_of
from trainer.record.sweep_file import SWEEP_FILE, read_sweep

log = logging.getLogger("trainer")


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
        grad_norm: global norm of the epoch's last gradient before clipping; absent where that step
            was skipped.
        loss_scale: factor of the loss after the epoch, where it is scaled dynamically.
        skipped_steps: steps skipped by the loss scaler so far.
        max_memory_bytes: peak of the device's memory, or of the process on a CPU.
        more: chosen metrics by their names there, `val_f1`, `avg_val_f1`.
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
    more: Mapping[str, float] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return the row without what does not apply."""
        own = {k: v for k, v in asdict(self).items() if v is not None and k != "more"}
        return {**own, **self.more}

    def value(self, name: str) -> float | None:
        """Return a number by its name in `metrics.jsonl`, None where it is absent."""
        found: float | None = self.more[name] if name in self.more else getattr(self, name, None)
        return found


LONGEST = 20  # letters of a whole number in a record: bytes and steps fit in 64 bits
ERRORS = "errors"  # folder of a run with tables and pictures of what its network mistakes

ROW = frozenset(f.name for f in fields(EpochRow) if f.name != "more")

NEEDED = {name for name in ROW if EpochRow.__dataclass_fields__[name].default is MISSING}
CHOSEN = re.compile(r"(avg_)?val_\w+")  # names of chosen metrics in a row

# What `summary.json` must hold where it holds it: whatever else stands there is damaged.
KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("status", "key", "message"), str),
    **dict.fromkeys(
        ("test", "test_avg", "errors", "seconds", "git", "host", "data", "versions", "planned"),
        dict,
    ),
    **dict.fromkeys(("overrides", "classes", "best_checkpoints"), list),
    "best_val_top1": (int, float),
}


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
    summary: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return one line, however much the run has to say."""
        return line_of(self)

    def _repr_html_(self) -> str:
        """Return a table of one row, for notebooks."""
        return html_table([self])

    @property
    def val_top1(self) -> float | None:
        """Validation accuracy of the final weights."""
        return self.epochs[-1].val_top1 if self.epochs else None

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration by dotted key, such as `optim.lr`."""
        return {key: leaf(self.config, key) for key in flat(self.config)}


@dataclass(frozen=True)
class Found:
    """The runs under folders.

    Attributes:
        runs: that can be read.
        damaged: folders of those that cannot, with what is wrong with each.
        missing: sweeps of which some jobs have no run, with how many and which.
    """

    runs: list[RunRow]
    damaged: dict[Path, str]
    missing: dict[Path, str] = field(default_factory=dict)

    @property
    def left_out(self) -> list[str]:
        """What a reader of these runs must know of the others."""
        return [*self.damaged.values(), *self.missing.values()]


def read_runs(*places: str | os.PathLike[str]) -> Runs[RunRow]:
    """Return the runs under folders, however deep, in the order of their paths, job 2 before job
    10; `outputs` where none is named. Damaged ones are left out, and logged.

    The list is shown as a table in notebooks; its `to_frame()` is a DataFrame of pandas.

    Raises:
        NotFound: if a place does not exist.
    """
    found = find_runs(*places)
    for reason in found.left_out:
        log.warning("left out: %s", reason)
    return Runs(found.runs)


def find_runs(*places: str | os.PathLike[str]) -> Found:
    """Return the runs under folders as `read_runs` does, and those that are damaged.

    Raises:
        NotFound: if a place does not exist.
    """
    runs: list[RunRow] = []
    damaged: dict[Path, str] = {}
    missing: dict[Path, str] = {}
    for place in places or ("outputs",):
        root = Path(place)
        if not root.is_dir():
            nowhere = dangling(root)
            why = f": {nowhere}" if nowhere else ""
            raise NotFound(f"no folder {root} to read runs from{why}")
        folders = folders_with(root, "config.yaml", "run.log")
        for path in sorted(folders, key=natural):
            try:
                runs.append(checked(read_run(path)))
            except (ConfigError, OSError) as error:
                damaged[path] = str(error)
        for sweep in sorted(folders_with(root, SWEEP_FILE)):
            try:
                jobs = read_sweep(sweep)
            except (ConfigError, NotFound) as error:
                missing[sweep] = str(error)
                continue
            paths = (Path(os.path.realpath(sweep / str(n))) for n in range(len(jobs)))
            lost = [str(number) for number, path in enumerate(paths) if path not in folders]
            if lost:
                shown = ", ".join(lost[:10]) + (", ..." if len(lost) > 10 else "")
                many = f"{len(lost)} of {len(jobs)} jobs of {sweep}"
                missing[sweep] = f"{many} have no run: {shown}"
    return Found(runs, damaged, missing)


def checked(run: RunRow) -> RunRow:
    """Return a run; raise ConfigError if its configuration is none that the program writes."""
    file, seed = run.path / "config.yaml", run.config.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ConfigError(f"{file}: seed must be a whole number, got {seed!r:.40}")
    for key in flat(run.config):
        try:
            leaf(run.config, key)
        except (LookupError, TypeError) as error:
            raise ConfigError(f"{file}: {key!r:.40} is no key of a configuration") from error
    return run


def folders_with(root: Path, *files: str) -> set[Path]:
    """Return the folders below one that hold all of these files, each once, without links."""
    found: set[Path] = set()
    seen: set[str] = set()
    for place, inner, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        inner[:] = [] if real in seen else [name for name in inner if not is_skipped(name)]
        seen.add(real)
        if set(files) <= set(names):
            found.add(Path(real))
    return found


def natural(path: Path) -> list[tuple[int, str]]:
    """Return what paths are sorted by so that job 2 stands before job 10."""
    pieces = re.split(r"(\d+)", str(path))
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]


def is_skipped(name: str) -> bool:
    """Return whether no run is looked for in a folder of this name."""
    return name in ("checkpoints", "tensorboard") or name.startswith(".")


def read_run(path: Path) -> RunRow:
    """Return one run's folder as a row; half-written last lines of a killed run are left out."""
    summary = read_summary(path)
    return RunRow(
        path=path,
        config=read_yaml(path / "config.yaml"),
        epochs=tuple(
            EpochRow(**{k: v for k, v in line.items() if k in ROW}, more=chosen(line))
            for line in read_lines(path / "metrics.jsonl")
        ),
        status=summary.get("status", "unfinished"),
        key=summary.get("key"),
        test=numbers(summary, "test"),
        test_avg=numbers(summary, "test_avg"),
        best_val_top1=summary.get("best_val_top1"),
        seconds=numbers(summary, "seconds") or {},
        summary=summary,
    )


def chosen(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the chosen metrics of a row."""
    return {
        k: float(v)
        for k, v in line.items()
        if k not in ROW and CHOSEN.fullmatch(k) and isinstance(v, int | float)
    }


def numbers(summary: Mapping[str, Any], key: str) -> dict[str, float] | None:
    """Return the numbers that a summary has under a key, None where it has not got that."""
    found = summary.get(key)
    if found is None:
        return None
    return {k: v for k, v in found.items() if isinstance(v, int | float)}


def parsed(text: str | bytes) -> Any:
    """Return what a JSON text of a record holds.

    Raises:
        ValueError: if it is damaged, or has a whole number that no record of ours has: one which is
            no float either.
    """

    def whole(digits: str) -> int:
        if len(digits) > LONGEST:
            raise ValueError(f"{digits[:LONGEST]}... is no number of a record")
        return int(digits)

    return json.loads(text, parse_int=whole)


def read_summary(path: Path) -> dict[str, Any]:
    """Return what a run's folder says of its end; nothing where that is absent, or damaged in any
    way."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = parsed((path / "summary.json").read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {k: v for k, v in found.items() if k not in KINDS or isinstance(v, KINDS[k])}
    return {}


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file, one per line, up to the first that is damaged."""
    rows: list[dict[str, Any]] = []
    if file.is_file():
        for line in file.read_bytes().splitlines():
            try:
                row = parsed(line)
            except (ValueError, RecursionError):
                break
            if not isinstance(row, dict) or not row.keys() >= NEEDED:
                break
            if not all(isinstance(row.get(name, 0), int | float) for name in ROW):
                break
            rows.append(row)
    return rows
