"""`ls`: runs and sweeps, the newest first."""

import datetime
import fnmatch
import json
import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from trainer.analysis import final
from trainer.cli.subcommands import Parser
from trainer.composition.overrides import unquoted
from trainer.core.errors import ConfigError
from trainer.record.console import shown_path
from trainer.record.run_folder import Folder
from trainer.record.runs import RunRow, find_runs, folders_with
from trainer.record.sweep_file import SWEEP_FILE, read_sweep

STATUSES = (
    *("completed", "running", "unfinished", "interrupted", "diverged", "failed", "damaged"),
    "missing",  # a job of a sweep that has no folder
)


@dataclass(frozen=True)
class Entry:
    """A line of the list: a `run`, or a `sweep`, whose status is that of all its jobs if they have
    one in common, else `mixed`. Accuracies are shares.

    Attributes:
        started: ISO 8601, with the offset from UTC.
        jobs: of a sweep, how many have each status.
        overrides: of a sweep, with the values of all jobs.
        message: what is wrong with a damaged one.
    """

    kind: str
    path: str
    name: str
    status: str
    started: str
    epochs: float | None = None
    steps: int | None = None
    val_top1: float | None = None
    avg_val_top1: float | None = None
    test_top1: float | None = None
    test_avg_top1: float | None = None
    jobs: Mapping[str, int] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    message: str = ""


def ls(arguments: Sequence[str]) -> None:
    """List runs and sweeps."""
    parser = Parser("ls", "A sweep is one line, unless its own folder is named.")
    where = "outputs if left out; outputs=DIR is DIR"
    parser.add_argument("places", nargs="*", metavar="FOLDER", help=where)
    parser.add_argument("--name", help="of the experiment, or a pattern such as 'demo-*'")
    parser.add_argument("--status", choices=STATUSES, help="only these, and sweeps with such a job")
    parser.add_argument("--json", action="store_true", help="one JSON list")
    options = parser.parse_args(arguments)
    named = [place.removeprefix("outputs=") for place in options.places]
    places = named or [p for p in ("outputs",) if Path(p).is_dir()]
    shown = [
        entry
        for entry in (entries(places) if places else [])
        if fnmatch.fnmatchcase(entry.name, options.name or "*")
        and options.status in (None, entry.status, *entry.jobs)
    ]
    if options.json:
        print(json.dumps([asdict(entry) for entry in shown], indent=1, ensure_ascii=False))
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines_of(shown))


def entries(places: Sequence[str]) -> list[Entry]:
    """Return the runs and sweeps under folders, the newest first.

    Raises:
        NotFound: if a folder does not exist.
    """
    found = find_runs(*places)
    statuses = {run.path: status_of(run) for run in found.runs}
    statuses |= dict.fromkeys(found.damaged, "damaged")
    roots = [Path(os.path.realpath(place)) for place in places]
    sweeps = [s for root in roots for s in folders_with(root, SWEEP_FILE) if s not in roots]
    made = [sweep_entry(path, statuses) for path in dict.fromkeys(sweeps)]
    here = {path for path in statuses if any(path.is_relative_to(root) for root in roots)}
    alone = {path for path in here if path.parent not in sweeps}
    made += [run_entry(run, statuses[run.path]) for run in found.runs if run.path in alone]
    for path in alone & set(found.damaged):
        what, when = found.damaged[path], time_of(path / "config.yaml")
        made.append(Entry("run", shown_path(path), path.parent.name, "damaged", when, message=what))
    return sorted(made, key=lambda e: datetime.datetime.fromisoformat(e.started), reverse=True)


def status_of(run: RunRow) -> str:
    """Return how a run ended, or whether a process is writing it now."""
    if run.status == "unfinished" and (run.path / ".lock").exists():
        folder = Folder(run.path)
        try:
            folder.lock()
        except ConfigError:
            return "running"
        except OSError:  # a folder of somebody else's
            return run.status
        folder.close()
    return run.status


def run_entry(run: RunRow, status: str) -> Entry:
    last = run.epochs[-1] if run.epochs else None
    return Entry(
        "run",
        shown_path(run.path),
        str(run.config.get("name", "")),
        status,
        time_of(run.path / "config.yaml"),
        last.epoch if last else None,
        last.step if last else None,
        final(run, "val_top1"),
        final(run, "avg_val_top1"),
        final(run, "test_top1"),
        final(run, "test_avg_top1"),
        overrides=[str(text) for text in run.summary.get("overrides", ())],
    )


def sweep_entry(path: Path, statuses: Mapping[Path, str]) -> Entry:
    """Return a sweep's line; its jobs' folders may be links to runs that it reused."""
    started = time_of(path / SWEEP_FILE)
    try:
        jobs = read_sweep(path)
    except ConfigError as error:
        return Entry(
            "sweep", shown_path(path), path.parent.name, "damaged", started, message=str(error)
        )
    counts = Counter(
        statuses.get(Path(os.path.realpath(path / str(number))), "missing")
        for number in range(len(jobs))
    )
    values: dict[str, dict[str, None]] = {}
    for job in jobs:
        for text in job.overrides:
            key, _, value = text.partition("=")
            values.setdefault(key, {})[value] = None
    name = unquoted(next(iter(values.get("name", {})), path.parent.name))
    return Entry(
        "sweep",
        shown_path(path),
        name,
        next(iter(counts)) if len(counts) == 1 else "mixed",
        started,
        jobs=dict(counts.most_common()),
        overrides=[f"{key}={','.join(found)}" for key, found in values.items()],
    )


def time_of(path: Path) -> str:
    """Return when a file was written."""
    when = datetime.datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    return when.isoformat(timespec="seconds")


def lines_of(found: Sequence[Entry]) -> Iterator[str]:
    """Yield a line for each entry; on a terminal, what is too long goes on below it."""
    heads = ("started", "name", "status", "epochs", "val", "test")
    rows = [cells_of(entry) for entry in found]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    texts = [("folder and overrides", ""), *((e.path, details_of(e)) for e in found)]
    for row, (path, details) in zip((heads, *rows), texts, strict=True):
        cells = [f"{cell:{size}}" for cell, size in zip(row, widths, strict=True)]
        line = "  ".join([*cells, path, details]).rstrip()
        yield "\n".join(
            textwrap.wrap(
                line,
                width,
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            if width
            else [line]
        )


def cells_of(entry: Entry) -> tuple[str, ...]:
    """Return the columns of an entry; averaged weights stand for a run where it has some."""
    when = entry.started[:16].replace("T", " ")
    epochs = "" if entry.epochs is None else f"{entry.epochs:.4g}"
    val = entry.val_top1 if entry.avg_val_top1 is None else entry.avg_val_top1
    test = entry.test_top1 if entry.test_avg_top1 is None else entry.test_avg_top1
    scores = ("" if score is None else f"{100 * score:.2f} %" for score in (val, test))
    return (when, entry.name, entry.status, epochs, *scores)


def details_of(entry: Entry) -> str:
    """Return what a sweep's jobs came to, then the overrides."""
    counts = ", ".join(f"{number} {status}" for status, number in entry.jobs.items())
    total = f"({sum(entry.jobs.values())} jobs: {counts})" if counts else ""
    return " ".join(part for part in (total, *entry.overrides, entry.message) if part)
