"""The results of a sweep's jobs: a line each on the screen, a row each on disk, and a table over
seeds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from trainer.core.command import command_line
from trainer.core.errors import TrainerError
from trainer.core.files import replace_text
from trainer.record.console import Console, percent, shown_path
from trainer.record.runs import RunRow
from trainer.record.spread import Spread
from trainer.record.tables import csv_text
from trainer.sweep.jobs import Job, Sweep
from trainer.sweep.reuse import has_result

Values = Mapping[int, Mapping[str, str]]

SCORES = ("val_top1", "avg_val_top1", "test_top1", "test_avg_top1")


def scores_of(row: RunRow) -> dict[str, float]:
    """Return the final scores that a run has, by name."""
    last = row.epochs[-1] if row.epochs and row.status == "completed" else None
    found = {
        "val_top1": last.val_top1 if last else None,
        "avg_val_top1": last.avg_val_top1 if last else None,
        "test_top1": (row.test or {}).get("top1"),
        "test_avg_top1": (row.test_avg or {}).get("top1"),
    }
    return {name: value for name, value in found.items() if value is not None}


def job_line(number: int, overrides: Sequence[str], row: RunRow | str) -> str:
    """Return one line about a job that ended."""
    text = " ".join(overrides)
    if isinstance(row, str):
        return f"job {number}  failed  {text}: {row}"
    scores = "  ".join(f"{name} {percent(value)}" for name, value in scores_of(row).items())
    train_s = row.seconds.get("train", 0.0)
    return f"job {number}  {row.status}  {text}  {scores}  {train_s:.1f} s training"


def write_csv(file: Path, values: Values, rows: Mapping[int, RunRow]) -> None:
    """Write one line per job: its number, what it varied, how it ended, and its scores.

    Raises:
        DiskError: if the disk is full or read-only; a table that is there stays as it was.
        TrainerError: if the folder is gone, or may not be written any more.
    """
    keys = list(next(iter(values.values())))
    lines: list[list[object]] = [["job", *keys, "status", *SCORES, "train_s"]]
    for number, varied in values.items():
        row = rows.get(number)
        scores = scores_of(row) if row else {}
        status = row.status if row else "failed"
        train_s = row.seconds.get("train", "") if row else ""
        lines.append(
            [number, *varied.values(), status, *(scores.get(s, "") for s in SCORES), train_s]
        )
    try:
        replace_text(file, csv_text(lines))
    except OSError as error:
        reason = (error.strerror or "refused").lower()
        raise TrainerError(f"cannot write {file}: {reason}") from error


Grid = list[list[str]]  # a heading and rows, all of the same length

COLUMNS = ("score", "mean", "sd", "se", "n", "diverged", "failed")

GAP = 2  # columns of the screen between two of the table


def results_table(values: Values, rows: Mapping[int, RunRow], width: int) -> Table:
    """Return the table over settings. Jobs without a row count as failed; where a column per key is
    too much for `width`, one column says it all."""
    keys = [k for k in next(iter(values.values())) if k != "seed"]
    groups: dict[tuple[str, ...], list[RunRow | None]] = {}
    for number, varied in values.items():
        groups.setdefault(tuple(varied[k] for k in keys), []).append(rows.get(number))
    shown = [s for s in SCORES if any(s in scores_of(row) for row in rows.values())]
    settings: Grid = [short_names(keys) or ["all"]]
    numbers: Grid = [list(COLUMNS)]
    for setting, members in in_order(groups):
        lines = lines_of(members, shown or ["val_top1"])
        numbers += lines
        settings += [list(setting) or ["runs"], *[[""] * len(settings[0])] * (len(lines) - 1)]
    # without columns that say nothing: the spread of single runs, losses where there are none, and
    # the name of a single score, which heads the mean in its place
    columns = {column[0]: list(column) for column in zip(*numbers, strict=True)}
    scores = set(columns["score"][1:])
    if len(scores) == 1:
        columns["mean"][0] = scores.pop()
        del columns["score"]
    kept = [c for c in columns.values() if any(cell not in ("", "0") for cell in c[1:])]
    numbers = [list(row) for row in zip(*kept, strict=True)]
    if len(keys) > 1 and width_of(settings) + width_of(numbers) - GAP > width:
        settings = in_one_column(settings, room=width - width_of(numbers))
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for name in settings[0]:
        table.add_column(Text(name), overflow="fold")  # what is too long is broken, never cut
    for name in numbers[0]:
        table.add_column(Text(name), justify="left" if name == "score" else "right", no_wrap=True)
    for texts, cells in zip(settings[1:], numbers[1:], strict=True):
        table.add_row(*map(Text, (*texts, *cells)))
    return table


def short_names(keys: Sequence[str]) -> list[str]:
    """Return keys by their last part, such as `lr`, or by as many more as tell each from the others
    and from the table's own columns."""
    names = []
    for key in keys:
        others = [*(k for k in keys if k != key), *COLUMNS, "seed"]
        parts = key.split(".")
        endings = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
        unique = (e for e in endings if not any(f".{k}".endswith(f".{e}") for k in others))
        names.append(next(unique, key))
    return names


def lines_of(members: Sequence[RunRow | None], shown: Sequence[str]) -> Grid:
    """Return a line for each score of one setting's jobs; None stands for one without a result.
    Jobs of one `key` are one run: they are counted once."""
    done = [row for row in members if row is not None]
    runs = without_repeats(done)
    counts = [str(sum(r.status == "diverged" for r in runs)), str(len(members) - len(done))]
    lines = []
    for score in shown:
        numbers = [scores_of(row)[score] for row in runs if score in scores_of(row)]
        cells = ["", "", "", "0"]
        if numbers:
            spread = Spread.of(numbers)
            cells = [*map(percent, (spread.mean, spread.sd, spread.se)), str(spread.n)]
        lines.append([score, *cells, *counts])
        counts = ["", ""]
    return lines


def without_repeats(rows: Sequence[RunRow]) -> list[RunRow]:
    """Return rows, and of those that must agree, since their `key` is the same, the first."""
    firsts: dict[str | int, RunRow] = {}
    for number, row in enumerate(rows):
        firsts.setdefault(row.key or number, row)
    return list(firsts.values())


def in_order(
    groups: Mapping[tuple[str, ...], list[RunRow | None]],
) -> list[tuple[tuple[str, ...], list[RunRow | None]]]:
    """Return settings by the numbers of their keys; other values as they came."""
    ranks = []
    for column in zip(*groups, strict=True):
        number = {value: number_in(value) for value in column}
        all_numbers = None not in number.values()
        seen = list(dict.fromkeys(column))
        ranks.append({v: number[v] if all_numbers else float(seen.index(v)) for v in seen})
    return sorted(
        groups.items(), key=lambda pair: [rank[v] for rank, v in zip(ranks, pair[0], strict=True)]
    )


def number_in(value: str) -> float | None:
    """Return the number of a value such as `0.1`, `5ep` or `10%`, None where there is none."""
    match = re.fullmatch(r"([-+]?[\d.]+(?:e[-+]?\d+)?)(ep|st|s|%)?", value)
    try:
        return float(match[1]) if match else None
    except ValueError:
        return None


def width_of(grid: Grid) -> int:
    """Return the columns of a screen that a grid takes, with a gap after each."""
    return sum(max(map(cell_len, column)) + GAP for column in zip(*grid, strict=True))


def in_one_column(grid: Grid, room: int) -> Grid:
    """Return settings as one column of overrides, which may be broken between them; an override for
    which there is no room, between key and value, since half a number looks like a whole one."""
    heads, *settings = grid
    overrides = [[f"{h}={c}" for h, c in zip(heads, cells, strict=True) if c] for cells in settings]
    fitting = [
        [w if cell_len(w) <= room else w.replace("=", "= ", 1) for w in ws] for ws in overrides
    ]
    return [["setting"], *([" ".join(line)] for line in fitting)]


@dataclass(frozen=True)
class SweepEnd:
    """How a sweep ended: its folder, how many jobs it has, and the numbers of those without a
    result."""

    folder: Path
    num_jobs: int
    lost: tuple[int, ...]

    @property
    def exit_code(self) -> int:
        """0 where every job has a result."""
        return int(bool(self.lost))


def finish(
    jobs: Sequence[Job],
    rows: Mapping[int, RunRow | str],
    folder: Path,
    console: Console,
    current: Sweep,
) -> SweepEnd:
    """Print the table of results, say which jobs have none, write it, and return how it ended.

    Raises:
        TrainerError: if it cannot be written; by then it was printed.
    """
    done = {n: row for n, row in rows.items() if isinstance(row, RunRow) and has_result(row)}
    keys, each = swept_keys(jobs), {job.number: values_of(job) for job in jobs}
    values = {n: {key: found.get(key, "") for key in keys} for n, found in each.items()}
    console.table(results_table(values, done, console.terminal.width))
    console.say(f"results   {shown_path(folder)}")
    console.say(f"compare   {command_line('compare', shown_path(folder))}")
    repeats = len(done) - len(without_repeats([*done.values()]))
    if repeats:
        console.say(
            f"{repeats} of {len(done)} results repeat another job's, down to the seed: each is "
            "counted once",
            style="yellow",
        )
    lost = [job for job in jobs if job.number not in done]
    if lost:
        numbers = ", ".join(str(job.number) for job in lost)
        console.say(f"no result from {len(lost)} of {len(jobs)} jobs: {numbers}", style="red")
    if any(job.config is not None for job in lost):
        console.say(f"again     {current.again(folder)}")
    write_csv(folder / "table.csv", values, done)
    return SweepEnd(folder, len(jobs), tuple(job.number for job in lost))


def report_invalid(jobs: Sequence[Job], console: Console) -> None:
    """Say what is wrong with the jobs that will not be run."""
    varied = swept_keys(jobs)
    by_error: dict[str, list[Job]] = {}
    for job in jobs:
        if job.config is None:
            by_error.setdefault(job.error, []).append(job)
    for error, found in by_error.items():
        first, *others = found
        where = f"job {first.number} ({' '.join(overrides_apart(first, varied))})"
        if others:
            numbers = ", ".join(str(job.number) for job in others)
            where = f"{len(found)} jobs: {where}, {numbers}"
        console.say(f"{where}: {error}", style="red")


def swept_keys(jobs: Sequence[Job]) -> list[str]:
    """Return the keys whose values differ between jobs, `seed` last."""
    values = [values_of(job) for job in jobs]
    keys = dict.fromkeys(key for found in values for key in found)
    varied = [key for key in keys if len({found.get(key) for found in values}) > 1]
    return sorted(varied, key=lambda key: key == "seed")


def overrides_apart(job: Job, varied: Sequence[str]) -> list[str]:
    """Return the overrides in which a job differs from the others, all of them if none does."""
    differing = [o for o in job.overrides if key_of(o) in varied]
    return differing or list(job.overrides)


def values_of(job: Job) -> dict[str, str]:
    """Return the values of a job's overrides, by key."""
    return {key_of(override): override.partition("=")[2] for override in job.overrides}


def key_of(override: str) -> str:
    return override.partition("=")[0].lstrip("+")
