"""A CSV file lists the images: exactly as folders would hold them, or one line names what is wrong
with which line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.command import Call
from trainer.core.errors import DataError
from trainer.core.units import Amount
from trainer.data.base import Source
from trainer.data.image_folder import ImageFolder

COUNTS = {"cat": 4, "dachs é": 3, "dog": 3}


@pytest.fixture
def root(tmp_path: Path, write_tree: Callable[..., None]) -> Path:
    write_tree(tmp_path / "train", COUNTS)
    return tmp_path


def files(root: Path) -> list[tuple[str, str]]:
    paths = sorted((root / "train").rglob("*.png"))
    return [(p.relative_to(root).as_posix(), p.parent.name) for p in paths]


def text(root: Path, separator: str = ",") -> str:
    rows = [("file", "label"), *files(root)]
    return "".join(f"{separator.join(row)}\n" for row in rows)


def read(root: Path, labels: str = "labels.csv") -> Source:
    return ImageFolder(labels=labels, cache_size=8).read(str(root))


def same(one: Source, other: Source) -> bool:
    return (
        one.classes == other.classes
        and torch.equal(one.train.images, other.train.images)
        and torch.equal(one.train.labels, other.train.labels)
        and torch.equal(one.test.images, other.test.images)
        and torch.equal(one.test.labels, other.test.labels)
        and one.test.names == other.test.names
    )


SPELLINGS: dict[str, Callable[[Path], bytes]] = {
    "plain": lambda root: text(root).encode(),
    "in another order": lambda root: "".join(
        [
            (lines := text(root).splitlines(keepends=True))[0],
            *reversed(lines[1:]),
        ]
    ).encode(),
    "a mark before it": lambda root: b"\xef\xbb\xbf" + text(root).encode(),
    "semicolons": lambda root: text(root, ";").encode(),
    "tabs": lambda root: text(root, "\t").encode(),
    "line ends of Windows": lambda root: text(root).replace("\n", "\r\n").encode(),
    "no end of the last line": lambda root: text(root).rstrip().encode(),
    "blanks": lambda root: text(root, " , ").replace("\n", " \n  \n").encode(),
    "columns exchanged, and another": lambda root: (
        "width,label,file\n" + "".join(f"8,{label},{file}\n" for file, label in files(root))
    ).encode(),
    "quotes": lambda root: (
        text(root).replace("train/", '"train/').replace(".png", '.png"').encode()
    ),
    "detours": lambda root: text(root).replace("train/", "train/../train/./").encode(),
    "accents in parts": lambda root: text(root).replace(",dachs é", ",dachs e\u0301").encode(),
    "absolute paths": lambda root: text(root).replace("train/", f"{root}/train/").encode(),
    "a column for splits": lambda root: (
        text(root)
        .replace("label\n", "label,split\n", 1)
        .replace("cat\n", "cat,train\n")
        .replace("é\n", "é,train\n")
        .replace("dog\n", "dog,train\n")
        .encode()
    ),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_list_is_what_the_folders_are(root: Path, spelling: str) -> None:
    folders = ImageFolder(cache_size=8).read(str(root))
    (root / "labels.csv").write_bytes(SPELLINGS[spelling](root))
    listed = read(root)
    assert same(listed, folders)
    assert listed.fingerprint != folders.fingerprint


WRONG: dict[str, tuple[str, str]] = {
    "a file that is not there": (
        "train/cat/9.png,cat",
        "line 2: 'train/cat/9.png' is not there (b",
    ),
    "a folder": ("train/cat,cat", "line 2: 'train/cat' is a folder"),
    "a pipe": ("pipe,cat", "line 2: 'pipe' is a pipe, a socket or a device"),
    "a file twice": (
        "train/cat/0000.png,cat\ntrain/dog/../cat/0000.png,dog",
        "line 3: 'train/dog/../cat/0000.png' is in line 2 too",
    ),
    "no label": ("train/cat/0000.png, ", "line 2: no label"),
    "no file": (",cat", "line 2: no file"),
    "a cell too few": ("train/cat/0000.png", "line 2: 1 cells, where the first line has 2"),
    "a cell too many": ("a,b,c", "line 2: 3 cells, where the first line has 2"),
    "other separators": ("train/cat/0000.png;cat", "line 2: 1 cells"),
    "a quote that stays open": ('"train/cat/0000.png,cat\nb,c', "line 2 cannot be read as CSV"),
    "one class": ("train/cat/0000.png,cat", "at least 2 classes, found only 'cat'"),
    "nothing": ("", "at least 2 classes, found none"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_bad_line_is_named(root: Path, what: str) -> None:
    os.mkfifo(root / "pipe")
    lines, told = WRONG[what]
    (root / "labels.csv").write_text(f"file,label\n{lines}\n", encoding="utf-8")
    with pytest.raises(DataError) as refused:
        read(root)
    assert told in str(refused.value)
    assert str(root / "labels.csv") in str(refused.value)
    assert "\n" not in str(refused.value)


HEADS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "'file' is missing, it has nothing"),
    "no header": (b"train/cat/0000.png,cat\n", "'file' is missing, it has train/cat/0000.png, cat"),
    "another name": (b"file,labels\n", "it has 'labels'; did you mean 'label'?"),
    "a slip in the third": (b"file,label,splt\n", "it has 'splt'; did you mean 'split'?"),
    "another case": (b"File,label\n", "it has 'File'; did you mean 'file'?"),
    "a name twice": (b"file,label,label\n", "it has 'label' twice"),
    "UTF-16": ("file,label\n".encode("utf-16"), "text in UTF-16"),
    "Latin-1": ("file,label\na.png,caf\xe9\n".encode("latin-1"), "line 2 holds byte 0xe9"),
    "zeros": (b"file,label\na,b\0\n", "line 2 holds a zero byte"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image"),
}


@pytest.mark.parametrize("what", HEADS)
def test_a_file_that_is_no_list_is_named(root: Path, what: str) -> None:
    content, told = HEADS[what]
    (root / "labels.csv").write_bytes(content)
    with pytest.raises(DataError) as refused:
        read(root)
    assert told in str(refused.value)
    assert "labels.csv" in str(refused.value)


def test_splits_are_as_written_and_unknown_ones_are_named(root: Path) -> None:
    rows = files(root)
    splits = ["train"] * len(rows)
    splits[0], splits[4], splits[9] = "test", "validation", "val"
    lines = [f"{file},{label},{split}" for (file, label), split in zip(rows, splits, strict=True)]
    (root / "labels.csv").write_text("\n".join(["file,label,split", *lines]), encoding="utf-8")
    source = read(root)
    assert (len(source.train), len(source.test)) == (7, 1)
    assert source.val is not None
    assert source.val.labels.tolist() == [1, 2]
    assert source.test.names == [rows[0][0]]
    bad = list(lines)
    bad[1], bad[2] = f"{rows[1][0]},cat,tset", f"{rows[2][0]},cat,"
    (root / "labels.csv").write_text("\n".join(["file,label,split", *bad]), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"line 3: split 'tset' is .* mean 'test'\?; line 4: no spl"
    ):
        read(root)
    strange = [line.replace("dog,train", "dog,test") for line in lines]
    (root / "labels.csv").write_text("\n".join(["file,label,split", *strange]), encoding="utf-8")
    with pytest.raises(DataError, match=r"line 9: class 'dog' has no training image"):
        read(root)


def test_a_changed_list_is_other_data_though_the_pixels_be_the_same(root: Path) -> None:
    (root / "labels.csv").write_text(text(root), encoding="utf-8")
    before = read(root)
    lines = text(root).splitlines()
    lines[1], lines[8] = lines[1].replace(",cat", ",dog"), lines[8].replace(",dog", ",cat")
    (root / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    after = read(root)  # as many files of the same names in every split and class
    assert after.fingerprint != before.fingerprint
    names = [*(after.train.names or ()), *(after.test.names or ())]
    labels = torch.cat([after.train.labels, after.test.labels]).tolist()
    found = dict(zip(names, labels, strict=True))
    assert after.classes[found["train/cat/0000.png"]] == "dog"
    renamed = text(root).replace(",dog\n", ",hund\n")
    (root / "labels.csv").write_text(renamed, encoding="utf-8")
    last = read(root)
    assert last.classes == ("cat", "dachs é", "hund")
    assert last.fingerprint != before.fingerprint


def test_an_image_that_moves_to_the_next_class_is_seen_though_the_files_keep_their_order(
    root: Path,
) -> None:
    rows = files(root)
    lines = ["file,label,split", *(f"{file},{label},train" for file, label in rows[:-1])]
    lines.append(f"{rows[-1][0]},dog,test")
    (root / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    before = read(root)
    lines[4] = f"{rows[3][0]},dachs é,train"  # the last cat
    (root / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    after = read(root)
    assert after.train.names == before.train.names
    assert before.train.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2]
    assert after.train.labels.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_files_lie_beside_the_list_or_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "pictures").mkdir()
    for name, folder in (("a", "lists"), ("b", "pictures"), ("c", "pictures"), ("d", "lists")):
        Image.new("RGB", (8, 8), (ord(name), 0, 0)).save(tmp_path / folder / f"{name}.png")
    lines = [f"{name}.png,{'even' if name in 'bd' else 'odd'}" for name in "abcd"]
    (tmp_path / "lists" / "my.csv").write_text("\n".join(["file,label", *lines]))
    place = str(tmp_path / "lists" / "my.csv")
    folder = ImageFolder(labels=place, cache_size=8, test=Amount(2, False))
    source = folder.read(str(tmp_path / "pictures"))
    images = torch.cat([source.train.images, source.test.images])[:, 0, 4, 4].tolist()
    labels = torch.cat([source.train.labels, source.test.labels]).tolist()
    assert dict(zip(images, labels, strict=True)) == {97: 1, 98: 0, 99: 1, 100: 0}
    with pytest.raises(
        DataError, match=r"data.labels=no.csv: there is no file .*pictures/no.csv and no"
    ):
        read(tmp_path / "pictures", "no.csv")


@pytest.mark.slow
def test_a_run_records_classes_and_list_and_is_resumed_from_anywhere(
    call: Call, root: Path, here: Path
) -> None:
    (root / "labels.csv").write_text(text(root).replace(",cat", ",Dog"), encoding="utf-8")
    words = ("data=image_folder", f"data.root={root}", "data.labels=labels.csv", "model=mlp")
    more = ("data.cache_size=8", "data.val=0", "data.test=3", "batch_size=4", "epochs=2")
    done = call(*words, *more, "threads=1", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert "classes that differ in upper and lower case alone: Dog, dog" in done.out
    from trainer.record.runs import read_run

    row = read_run(here / "run")
    assert row.summary["classes"] == ["Dog", "dachs é", "dog"]
    done = call("task=evaluate", "task.run=run", "hydra.run.dir=eval")
    assert done.code == 0, done.err
    first = (here / "eval" / "images.csv").read_text(encoding="utf-8").splitlines()[1]
    assert "train/" in first
