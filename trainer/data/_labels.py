"""Images and their classes as a CSV file lists them."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import numpy as np

from trainer.core.errors import DataError, nearest
from trainer.core.file_kinds import joined, kind_of_head, printable
from trainer.data._cache import status
from trainer.data._listing import SPELLINGS, Files, Tree, composed

NEEDED, SPLIT = ("file", "label"), "split"  # columns
SPLITS = ("train", "val", "test")
SPLIT_NAMES = {name: split for split in SPLITS for name in SPELLINGS.get(split, (split,))}
SEPARATORS = ",;\t"
SHOWN = 10  # bad lines that a message names
MARK = b"\xef\xbb\xbf"  # that some programs put before UTF-8

Record = tuple[int, list[str]]  # a line's number and its cells


@dataclass(frozen=True)
class Row:
    """A line of the list, as it is meant.

    Attributes:
        number: of the line.
        path: of the file, absolute and without detours.
        label: name of the class.
        split: `train`, `val` or `test`.
        facts: what `status` says of the file.
    """

    number: int
    path: str
    label: str
    split: str
    facts: tuple[int, ...]


@dataclass(frozen=True)
class Listed:
    """What a CSV file lists.

    Attributes:
        tree: as if the files lay in folders of their classes.
        sha256: of the CSV file.
        notes: lines to be said.
    """

    tree: Tree
    sha256: str
    notes: tuple[str, ...]


def read_list(root: Path, labels: str) -> Listed:
    """Return the files that a CSV file lists, by split and class, each class sorted by path.

    Columns are `file`, `label` and, where it is wanted, `split` (`train`, `val` or `test`), in any
    order; others are not read, and said. Separators are commas, semicolons or tabs, as the first
    line has them; blanks around a cell do not count. A file is looked for below the folder of the
    list, and then below `root`; so is the list itself, below `root` and the working folder.

    Raises:
        DataError: naming the lines that are wrong, or what is missing.
    """
    place = find_list(root, labels)
    where = printable(place)
    content = read_bytes(place)
    records = records_of(decoded(content, where), where)
    header = [cell.strip() for cell in next(records, (1, []))[1]]
    check_header(header, where)
    rows, wrong = rows_of(records, header, (place.parent, root.absolute()))
    train = {row.label for row in rows if row.split == "train"}
    for row in () if wrong else rows:
        if row.label not in train:
            wrong.append(f"line {row.number}: {stranger(row.label, train)}")
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise DataError(f"{where}: {'; '.join(wrong[:SHOWN])}{more}")
    if len(train) < 2:
        found = f"only '{printable(*train)}'" if train else "none"
        raise DataError(f"{where} must list training images of at least 2 classes, found {found}")
    notes = tuple(notes_on(header, train, where))
    return Listed(tree_of(root.absolute(), rows), hashlib.sha256(content).hexdigest(), notes)


def find_list(root: Path, labels: str) -> Path:
    """Return the CSV file that `data.labels` names; raise DataError if there is none."""
    written = Path(labels).expanduser()
    places = [(folder / written).absolute() for folder in (root, Path())]
    for place in places:
        if place.is_file():
            return place
    shown = " and no ".join(dict.fromkeys(printable(place) for place in places))
    raise DataError(f"data.labels={labels}: there is no file {shown}")


def read_bytes(place: Path) -> bytes:
    """Return what a file holds; raise DataError if it cannot be read."""
    try:
        return place.read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise DataError(f"{printable(place)} cannot be read: {reason}") from error


def decoded(content: bytes, where: str) -> str:
    """Return the text of a CSV file; raise DataError if it is none in UTF-8, naming the line."""
    try:
        text = content.removeprefix(MARK).decode()
    except UnicodeDecodeError as error:
        kind = kind_of_head(content[:512])
        number = content.count(b"\n", 0, error.start) + 1
        what = f"it is {kind}" if kind else f"line {number} holds byte {content[error.start]:#x}"
        raise DataError(f"{where} is not in UTF-8 ({what}): save it as UTF-8") from error
    if "\0" in text:
        number = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{where}: line {number} holds a zero byte: this is no CSV file")
    return text


def records_of(text: str, where: str) -> Iterator[Record]:
    """Yield each record that is not blank with the number of its first line; raise DataError at one
    whose quotes are wrong."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{where}: line {number} cannot be read as CSV ({error})") from error
        if any(cell.strip() for cell in cells):
            yield number, cells


def check_header(header: Sequence[str], where: str) -> None:
    """Raise DataError unless the first line names the columns that are needed, each once, and none
    that may be a slip of the pen."""
    known = (*NEEDED, SPLIT)
    wrong = ""
    for name in NEEDED:
        if name not in header:
            found = joined(header, 5) or "nothing"
            wrong = wrong or f"'{name}' is missing, it has {found}"
    for name in header:
        meant = nearest(name, set(known) - set(header))
        if name not in known and meant is not None:
            wrong = f"it has '{printable(name)}'; did you mean '{meant}'?"
        elif name in known and header.count(name) > 1:
            wrong = f"it has '{name}' twice"
    if wrong:
        raise DataError(
            f"{where}: the first line must name the columns file, label and perhaps split: {wrong}"
        )


def rows_of(
    records: Iterator[Record], header: Sequence[str], folders: Sequence[Path]
) -> tuple[list[Row], list[str]]:
    """Return the rows of a list, and what is wrong with which line."""
    rows: dict[str, Row] = {}
    wrong: list[str] = []
    for number, cells in records:
        try:
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} cells, where the first line has {len(header)}")
            named = dict(zip(header, (cell.strip() for cell in cells), strict=True))
            row = row_of(number, named, folders)
            if row.path in rows:
                raise ValueError(f"{shown(named['file'])} is in line {rows[row.path].number} too")
            rows[row.path] = row
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
    return list(rows.values()), wrong


def row_of(number: int, named: Mapping[str, str], folders: Sequence[Path]) -> Row:
    """Return what a line means, of cells by column; raise ValueError, saying why, if nothing."""
    for column in (*NEEDED, SPLIT):
        if named.get(column) == "":
            raise ValueError(f"no {column}")
    split = named.get(SPLIT, "train")
    if split not in SPLIT_NAMES:
        meant = nearest(split, SPLITS)
        hint = f"; did you mean '{meant}'?" if meant else ""
        raise ValueError(f"split '{printable(split)}' is none of train, val and test{hint}")
    for folder in folders:
        path = os.path.normpath(folder / named["file"])
        try:
            stat = os.stat(path)
        except OSError:  # not here, or not to be looked at
            continue
        if not S_ISREG(stat.st_mode):
            what = "a folder" if S_ISDIR(stat.st_mode) else "a pipe, a socket or a device"
            raise ValueError(f"{shown(named['file'])} is {what}")
        return Row(number, path, composed(named["label"]), SPLIT_NAMES[split], status(stat))
    places = " and ".join(dict.fromkeys(printable(folder) for folder in folders))
    raise ValueError(f"{shown(named['file'])} is not there (below {places})")


def shown(cell: str) -> str:
    """Return a cell as it stands in a message."""
    return f"'{printable(cell)}'"


def stranger(label: str, train: set[str]) -> str:
    """Return what is wrong with a class that no training image has."""
    meant = nearest(label, train)
    hint = f"; did you mean '{printable(meant)}'?" if meant else ""
    return f"class '{printable(label)}' has no training image{hint}"


def notes_on(header: Sequence[str], classes: set[str], where: str) -> Iterator[str]:
    """Yield what is to be said of a list that is right."""
    unread = [name or "''" for name in header if name not in (*NEEDED, SPLIT)]
    if unread:
        yield f"columns of {where} that are not read: {joined(unread, 5)}"
    spellings = Counter(name.casefold() for name in classes)
    twins = sorted(name for name in classes if spellings[name.casefold()] > 1)
    if twins:
        yield f"classes that differ in upper and lower case alone: {joined(twins, 5)}"


def tree_of(root: Path, rows: Sequence[Row]) -> Tree:
    """Return the rows as a tree of folders would be listed: paths are relative to `root` where they
    lie below it."""
    classes = tuple(sorted({row.label for row in rows}))
    splits: dict[str, Files] = {}
    for split in SPLITS:
        some = [row for row in rows if row.split == split]
        if some:
            some.sort(key=lambda row: (row.label, row.path))
            splits[split] = Files(
                root,
                [below(root, row.path) for row in some],
                np.array([row.facts for row in some], dtype=np.uint64),
                np.array([classes.index(row.label) for row in some], dtype=np.int64),
            )
    return Tree(classes, splits)


def below(root: Path, path: str) -> str:
    """Return a path relative to a folder that it lies in, or as it is."""
    start = os.path.join(os.path.normpath(root), "")
    return path.removeprefix(start)
