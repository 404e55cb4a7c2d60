"""What lies in a folder of images: the files of each split and class, and all that is not used."""

from __future__ import annotations

import contextlib
import logging
import os
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from stat import S_ISREG

import numpy as np
from numpy.typing import NDArray

from trainer.core.errors import DataError, nearest
from trainer.core.file_kinds import joined, printable
from trainer.data._cache import status

SPELLINGS = {"val": ("val", "valid", "validation")}  # of a split's folder, as tools write them

# Left by file managers, storage boxes, archives and interpreters, as is what begins with a dot.
DEBRIS = frozenset(
    [
        *("Thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini", "Icon\r", "__MACOSX"),
        *("__pycache__", "@eaDir", "#recycle", "@Recycle", "@tmp", "lost+found"),
        *("$RECYCLE.BIN", "RECYCLER", "System Volume Information"),
    ]
)

# How pictures' names end, those included that are not read.
PICTURES = frozenset(
    [
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif"),
        *(".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2"),
    ]
)

# How files' names end that lie beside pictures and are none; they are never opened.
COMPANIONS = frozenset(
    [
        *(".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml"),
        *(".toml", ".ini", ".cfg", ".log", ".html", ".htm", ".url", ".lnk", ".py", ".ipynb"),
        *(".sh", ".db", ".xmp", ".aae", ".mat", ".npy", ".npz", ".h5", ".hdf5", ".parquet"),
        *(".pkl", ".pt", ".pth", ".safetensors", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz"),
        *(".rar", ".7z", ".pdf", ".mp4", ".mov", ".avi", ".mkv", ".wav", ".mp3"),
    ]
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Files:
    """Image files of one split; columns, not rows, as listing 60,000 files must take half a second.

    Attributes:
        folder: of the data set.
        names: (N,) paths under it.
        stats: (N, 4) as `status` gives them.
        labels: (N,) int64.
    """

    folder: Path
    names: list[str]
    stats: NDArray[np.uint64]
    labels: NDArray[np.int64]

    def take(self, indices: NDArray[np.int64]) -> Files:
        """Return the files at those positions."""
        names = [self.names[i] for i in indices]
        return Files(self.folder, names, self.stats[indices], self.labels[indices])


@dataclass(frozen=True)
class Tree:
    """A data set's folder: classes sorted by their characters' code points, and the files of each
    split that is there, class by class, each sorted by path."""

    classes: tuple[str, ...]
    splits: dict[str, Files]


def list_tree(base: Path, *, needed: Sequence[str], optional: Sequence[str] = ()) -> Tree:
    """Return the files in `<base>/<split>/<class>/`, however deep below, and say in one line what
    else lies there.

    A class's name is compared in Unicode's composed form: another system may have written the same
    letters in other code points.

    Raises:
        DataError: if one that is needed is missing, a folder cannot be read, a link leads nowhere
            or to a folder above it, a picture lies in no class, there are fewer than two classes,
            one without training images, or one that training has not.
    """
    folders = _split_folders(base, needed, optional)
    beside = _beside(base, folders, {*needed, *optional} - folders.keys())
    unused: list[str] = []
    inner = {split: _class_folders(base, folder, unused) for split, folder in folders.items()}
    classes = _class_names(base / "train", inner["train"])
    labels = {name: label for label, name in enumerate(classes)}
    splits: dict[str, Files] = {}
    for split, folder in folders.items():
        names: list[str] = []
        stats = [np.empty((0, 4), dtype=np.uint64)]
        counts: list[int] = []
        present = sorted(inner[split], key=composed)
        for name in present:
            if composed(name) not in labels:
                raise _unknown_class(base / folder / name, classes)
            before = len(unused)
            files, columns = _class_files(base, f"{folder}/{name}", unused)
            if split == "train" and not files:
                there = sorted(path.rpartition("/")[2] for path in unused[before:])
                also = f", only {joined(there, 3)}" if there else ""
                raise DataError(
                    f"{printable((base / folder / name).absolute())} holds no image{also}"
                )
            names += files
            stats.append(columns)
            counts.append(len(files))
        if not names:
            raise DataError(f"{printable((base / folder).absolute())} holds no image")
        numbers = np.array([labels[composed(name)] for name in present], dtype=np.int64)
        splits[split] = Files(base, names, np.concatenate(stats), np.repeat(numbers, counts))
    if beside or unused:
        shown = joined([*beside, *sorted(unused)], 5)
        log.warning("not read in %s: %s", printable(base.absolute()), shown)
    return Tree(classes, splits)


def list_pictures(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, however deep, that may be pictures, sorted.

    Raises:
        DataError: if there is none, or as `list_tree`.
    """
    unused: list[str] = []
    names, _ = _class_files(folder.parent, folder.name, unused)
    if not names:
        raise DataError(f"{printable(folder)} holds no picture")
    return [name.removeprefix(f"{folder.name}/") for name in names]


def _split_folders(base: Path, needed: Sequence[str], optional: Sequence[str]) -> dict[str, str]:
    """Return the name of each split's folder."""
    folders = {split: split for split in needed}
    for split in optional:  # a link that leads nowhere is no missing folder
        found = [n for n in SPELLINGS.get(split, (split,)) if os.path.lexists(base / n)]
        if len(found) > 1:
            raise DataError(
                f"{printable(base.absolute())} holds {' and '.join(found)}, two names of one split:"
                " move one of them away"
            )
        if found:
            folders[split] = found[0]
    return folders


def _beside(base: Path, folders: Mapping[str, str], absent: Iterable[str]) -> list[str]:
    """Return what lies beside the splits' folders, and which absent split a folder may be."""
    unused = []
    with contextlib.suppress(OSError):  # the splits may be readable all the same
        for entry in sorted(_visible(base), key=lambda entry: entry.name):
            if entry.name not in folders.values():
                slash = "/" if os.path.isdir(entry) else ""
                meant = nearest(entry.name.lower(), absent) if slash else None
                hint = f" (is it {meant}/?)" if meant else ""
                unused.append(f"{entry.name}{slash}{hint}")
    return unused


def _class_folders(base: Path, folder: str, unused: list[str]) -> list[str]:
    """Return the folders of a split; raise DataError if a picture lies beside them."""
    where = base / folder
    names, pictures = [], []
    try:
        for entry in _visible(where):
            if entry.is_dir():
                if entry.is_symlink():
                    _check_link(entry.path, (os.path.realpath(where),))
                names.append(entry.name)
            elif os.path.splitext(entry.name)[1].lower() in PICTURES:
                pictures.append(entry.name)
            else:
                unused.append(f"{folder}/{entry.name}")
    except (FileNotFoundError, NotADirectoryError) as error:
        where = where.absolute()
        there = where.parent
        found = sorted(e.name for e in there.iterdir() if e.is_dir()) if there.is_dir() else []
        holds = f"; {printable(there)} holds {joined(found, 3)}" if found else ""
        raise DataError(
            f"{printable(where)} not found: images belong into {printable(where)}/<class>/{holds}"
            "; set data.root to the folder above train"
        ) from error
    except OSError as error:
        raise _unreadable(error, where) from error
    if pictures:
        raise DataError(
            f"{printable(where.absolute())} holds pictures that lie in no class: "
            f"{joined(sorted(pictures), 3)}; move them into the folder of their class"
        )
    return names


def _class_names(train: Path, folders: list[str]) -> tuple[str, ...]:
    """Return the names of the classes, sorted."""
    names = sorted(map(composed, folders))
    where = printable(train.absolute())
    if len(names) < 2:
        found = f"only '{printable(names[0])}'" if names else "none"
        raise DataError(
            f"{where} must hold a folder of images for each class, at least 2; found {found}"
        )
    for one, other in pairwise(names):
        if one == other:
            raise DataError(
                f"{where} holds class '{printable(one)}' twice, in two spellings of Unicode: move "
                "the pictures of both into one folder"
            )
    return tuple(names)


def composed(name: str) -> str:
    """Return a name as text in Unicode's composed form (NFC): bytes that are no text are escaped,
    as records hold text."""
    if name.isascii():
        return name
    return unicodedata.normalize("NFC", name.encode("utf-8", "backslashreplace").decode())


def _unknown_class(folder: Path, classes: tuple[str, ...]) -> DataError:
    """Return the error of a class that training has not."""
    meant = nearest(folder.name, classes)
    hint = f"; did you mean '{printable(meant)}'?" if meant else ""
    return DataError(
        f"{printable(folder.absolute())}: class '{printable(folder.name)}' is not among those of "
        f"train/{hint}"
    )


def _class_files(base: Path, top: str, unused: list[str]) -> tuple[list[str], NDArray[np.uint64]]:
    """Return the files below a class's folder, sorted by path, and what `status` says of them.

    Raises:
        DataError: if a folder may not be read, something is neither file nor folder, or a link
            leads nowhere or to a folder above it.
    """
    names: list[str] = []
    columns = array("Q")  # numbers, not tuples: Python looks through those again and again
    pending: list[tuple[str, tuple[str, ...]]] = [(top, ())]
    while pending:
        inner, above = pending.pop()
        try:
            for entry in _visible(base / inner):
                name = f"{inner}/{entry.name}"
                if entry.is_dir():
                    if entry.is_symlink():
                        above = (*above, os.path.realpath(base / inner))
                        _check_link(entry.path, above)
                    pending.append((name, above))
                    continue
                stat = entry.stat()
                if not S_ISREG(stat.st_mode):
                    where = printable(os.path.abspath(entry.path))
                    raise DataError(f"{where} is a pipe, a socket or a device: remove it")
                if entry.name[entry.name.rfind(".") :].lower() in COMPANIONS:
                    unused.append(name)
                else:
                    names.append(name)
                    columns.extend(status(stat))
        except OSError as error:
            raise _unreadable(error, base / inner) from error
    order = sorted(range(len(names)), key=names.__getitem__)
    stats = np.frombuffer(columns, dtype=np.uint64).reshape(-1, 4)
    return [names[i] for i in order], stats[order]


def _check_link(link: str, above: tuple[str, ...]) -> None:
    """Raise DataError if a link leads to a folder that it lies in itself: there is no end to it."""
    target = os.path.realpath(link)
    if any(f"{folder}/".startswith(f"{target.rstrip('/')}/") for folder in above):
        raise DataError(
            f"{printable(os.path.abspath(link))} is a link to {printable(target)}, a folder that it"
            " lies in: remove it"
        )


def _unreadable(error: OSError, folder: Path) -> DataError:
    """Return the error of a file or folder that is there and cannot be read."""
    path = Path(error.filename or folder).absolute()
    return DataError(f"{printable(path)} cannot be read: {os.strerror(error.errno or 0).lower()}")


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what a folder holds, without what is hidden or left by other programs."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name[0] != "." and entry.name not in DEBRIS:
                yield entry
