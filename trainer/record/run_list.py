"""Runs as people and notebooks see them: a line, a small table, a DataFrame."""

from __future__ import annotations

import html
import importlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, SupportsIndex, TypeVar, overload

from trainer.core.errors import ConfigError
from trainer.core.file_kinds import printable
from trainer.core.units import counted

LINE = 120  # characters of a run's line
PATH = 60  # of them, of its folder
CELL = 40  # characters of a cell that is a text
ROWS = 50  # runs that a table or a list of lines shows
SETTINGS = 6  # columns of settings in a table


class ShownRun(Protocol):
    """What is shown of a run: see `trainer.record.runs.RunRow`, which is one."""

    @property
    def path(self) -> Path: ...
    @property
    def status(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def epochs(self) -> Sequence[Any]: ...
    @property
    def val_top1(self) -> float | None: ...
    @property
    def best_val_top1(self) -> float | None: ...
    @property
    def test(self) -> Mapping[str, float] | None: ...
    @property
    def test_avg(self) -> Mapping[str, float] | None: ...
    @property
    def seconds(self) -> Mapping[str, float]: ...


R = TypeVar("R", bound=ShownRun)


class Runs(list[R]):
    """A list of runs that notebooks show as a table; its slices are such lists too."""

    @overload
    def __getitem__(self, place: SupportsIndex) -> R: ...

    @overload
    def __getitem__(self, place: slice) -> Runs[R]: ...

    def __getitem__(self, place: SupportsIndex | slice) -> R | Runs[R]:
        """Return a run, or those of a slice."""
        found = super().__getitem__(place)
        return Runs(found) if isinstance(found, list) else found

    def __repr__(self) -> str:
        """Return a line for each run, for the first ones of very many."""
        left = [f"and {len(self) - ROWS} more"] if len(self) > ROWS else []
        return "\n".join([counted(len(self), "run"), *map(repr, self[:ROWS]), *left])

    def _repr_html_(self) -> str:
        """Return a table with the settings in which the runs differ."""
        return html_table(self)

    def to_frame(self) -> Any:
        """Return a `pandas.DataFrame` with a row for each run, in this order.

        Its columns are `path`, `status` and `key`; the whole configuration by dotted key, lists as
        tuples; the last row of `metrics.jsonl`; `best_val_top1`; and what `summary.json` has of
        `test`, `test_avg` and `seconds`, by dotted key. What a run has not got is missing there.

        Raises:
            ConfigError: if pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            raise ConfigError("to_frame() needs a package: pip install pandas") from error
        records = [record_of(run) for run in self]
        columns = dict.fromkeys(["path", "status", "key", *(k for r in records for k in r)])
        return pandas.DataFrame(records, columns=list(columns))


def record_of(run: ShownRun) -> dict[str, Any]:
    """Return a run as a flat record; see `Runs.to_frame`."""
    last = run.epochs[-1].plain() if run.epochs else {}
    parts = {"test": run.test, "test_avg": run.test_avg, "seconds": run.seconds}
    return {
        "path": str(run.path),
        "status": run.status,
        "key": run.key,
        **{key: hashable(value) for key, value in run.settings.items()},
        **last,
        "best_val_top1": run.best_val_top1,
        **{f"{part}.{k}": v for part, found in parts.items() for k, v in (found or {}).items()},
    }


def hashable(value: Any) -> Any:
    """Return a setting with tuples for its lists, so that pandas can group by it."""
    if isinstance(value, list | tuple):
        return tuple(map(hashable, value))
    return str(value) if isinstance(value, dict) else value


def line_of(run: ShownRun) -> str:
    """Return a run as one line."""
    path, number = printable(run.path), len(run.epochs)
    parts = [path if len(path) <= PATH else f"...{path[3 - PATH :]}", cell(run.status)]
    parts.append(f"{number} epoch{'' if number == 1 else 's'}")
    scores = {"val": run.val_top1, "test": (run.test or {}).get("top1")}
    parts += [f"{k} top1 {percent(v)}" for k, v in scores.items() if v is not None]
    line = f"RunRow({', '.join(parts)})"
    return line if len(line) <= LINE else f"{line[: LINE - 4]}...)"


def html_table(runs: Sequence[ShownRun]) -> str:
    """Return runs as a table of HTML, in which every text of theirs is escaped."""
    shown = runs[:ROWS]
    settings = [run.settings for run in shown]
    keys = varied(settings)
    heads = ["run", *keys, "status", "epochs", "val top1", "test top1", "train s"]
    rows = [
        [
            "/".join(run.path.parts[-2:]),
            *(str(tree.get(key, "")) for key in keys),
            run.status,
            str(len(run.epochs)),
            percent(run.val_top1),
            percent((run.test or {}).get("top1")),
            f"{seconds:.1f}" if (seconds := run.seconds.get("train")) is not None else "",
        ]
        for run, tree in zip(shown, settings, strict=True)
    ]
    head = html_row("th", heads)
    body = "".join(html_row("td", row) for row in rows)
    left = f"<p>and {len(runs) - ROWS} more runs</p>" if len(runs) > ROWS else ""
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>{left}"


def html_row(tag: str, texts: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell(text))}</{tag}>' for text in texts)}</tr>"


def varied(trees: Sequence[dict[str, Any]]) -> list[str]:
    """Return the first keys whose values differ between configurations."""
    keys = dict.fromkeys(key for tree in trees for key in tree)
    return [k for k in keys if len({repr(tree.get(k)) for tree in trees}) > 1][:SETTINGS]


def cell(text: str) -> str:
    """Return a text as one short line of printable characters."""
    plain = printable(text)
    return plain if len(plain) <= CELL else f"{plain[: CELL - 3]}..."


def percent(value: float | None) -> str:
    """Return a share as shown."""
    return "" if value is None else f"{100 * value:.2f} %"
