"""What lies in a folder of images: read, passed over by name, or refused; nothing in silence."""

from __future__ import annotations

import logging
import os
import socket
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from trainer.core.errors import DataError
from trainer.core.units import Amount
from trainer.data._listing import DEBRIS, list_tree
from trainer.data.cifar10_jpeg import Cifar10Jpeg
from trainer.data.image_folder import ImageFolder

Make = Callable[[Path], object]


def picture(path: Path, colour: int = 0) -> Path:
    """Write a picture of one grey value, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), colour).save(path, "PNG")
    return path


def junk(path: Path, content: bytes = b"junk") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder of two classes, a with 3 training images and b with 2."""
    for number in range(5):
        name = "a" if number < 3 else "b"
        picture(tmp_path / "set" / "train" / name / f"{number}.png", number)
    return tmp_path / "set"


def counts(tree: Path) -> dict[str, list[int]]:
    """Return how many files of each class each split has."""
    found = list_tree(tree, needed=("train",), optional=("test", "val"))
    return {
        split: [int((files.labels == label).sum()) for label in range(len(found.classes))]
        for split, files in found.splits.items()
    }


def listening(path: Path) -> None:
    """Leave a socket's file."""
    here = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.fchdir(here)
    os.close(here)


READ: dict[str, tuple[Make, dict[str, list[int]]]] = {
    "one folder below": (lambda t: picture(t / "train/a/2024/x.png"), {"train": [4, 2]}),
    "all of a class below": (
        lambda t: [picture(t / "train/c" / str(n) / "x.png") for n in range(3)],
        {"train": [3, 2, 3]},
    ),
    "ten folders below": (
        lambda t: picture(t / "train/a" / "/".join("abcdefghij") / "x.png"),
        {"train": [4, 2]},
    ),
    "valid": (lambda t: picture(t / "valid/a/x.png"), {"train": [3, 2], "val": [1, 0]}),
    "validation": (lambda t: picture(t / "validation/b/x.png"), {"train": [3, 2], "val": [0, 1]}),
    "no ending": (lambda t: picture(t / "train/a/x"), {"train": [4, 2]}),
    "a wrong ending": (lambda t: picture(t / "train/a/x.jpeg"), {"train": [4, 2]}),
    "an ending in capitals": (lambda t: picture(t / "train/a/X.PNG"), {"train": [4, 2]}),
    "an odd name": (lambda t: picture(t / "train/a/\n \u202e\U0001f600 .png"), {"train": [4, 2]}),
    "no UTF-8": (
        lambda t: picture(t / "train" / "a" / os.fsdecode(b"\xe9.png")),
        {"train": [4, 2]},
    ),
    "a class of no UTF-8": (
        lambda t: picture(t / "train" / os.fsdecode(b"\xe9") / "x.png"),
        {"train": [1, 3, 2]},
    ),
    "a link to a picture": (
        lambda t: (t / "train/a/link.png").symlink_to("0.png"),
        {"train": [4, 2]},
    ),
    "a link to a folder": (
        lambda t: [picture(t.parent / "x/y.png"), (t / "train/a/x").symlink_to(t.parent / "x")],
        {"train": [4, 2]},
    ),
    "a link to a class": (lambda t: (t / "train/c").symlink_to("b"), {"train": [3, 2, 2]}),
    "a link to a split": (
        lambda t: [picture(t.parent / "x/b/y.png"), (t / "test").symlink_to(t.parent / "x")],
        {"train": [3, 2], "test": [0, 1]},
    ),
    "composed and decomposed": (
        lambda t: [
            picture(t / "train" / unicodedata.normalize("NFC", "caf\u00e9") / "x.png"),
            picture(t / "val" / unicodedata.normalize("NFD", "caf\u00e9") / "x.png"),
        ],
        {"train": [3, 2, 1], "val": [0, 0, 1]},
    ),
    "an empty class to test": (
        lambda t: [picture(t / "test/a/x.png"), (t / "test/b").mkdir()],
        {"train": [3, 2], "test": [1, 0]},
    ),
}


@pytest.mark.parametrize("what", READ)
def test_every_picture_is_read_in_its_class_without_a_word(tree, what, caplog) -> None:
    make, expected = READ[what]
    make(tree)
    assert counts(tree) == expected
    assert caplog.records == []


@pytest.mark.parametrize("name", [*sorted(DEBRIS), ".ipynb_checkpoints", ".git", "._x.png"])
def test_what_other_programs_leave_is_passed_over_wherever_it_lies(tree, name, caplog) -> None:
    for place in ("", "train", "train/a", "train/a/below"):
        picture(tree / place / name / "x.png")
    picture(tree / "train/a/below/x.png")
    for place in ("train/b", "val/a"):
        junk(tree / place / name)
    picture(tree / "val/a/x.png")
    assert counts(tree) == {"train": [4, 2], "val": [1, 0]}
    assert caplog.records == []


NAMED: dict[str, tuple[Make, str]] = {
    "a folder beside": (lambda t: picture(t / "raw/a/x.png"), "raw/"),
    "another split": (lambda t: picture(t / "Test/a/x.png"), "Test/ (is it test/?)"),
    "testing": (lambda t: picture(t / "tests/a/x.png"), "tests/ (is it test/?)"),
    "a split that is there": (
        lambda t: [picture(t / "val/a/x.png"), picture(t / "vals/a/x.png")],
        "vals/",
    ),
    "a file beside": (lambda t: junk(t / "labels.csv"), "labels.csv"),
    "a picture beside": (lambda t: picture(t / "x.png"), "x.png"),
    "a text in a split": (lambda t: junk(t / "train/README.md"), "train/README.md"),
    "a text without an ending": (lambda t: junk(t / "train/LICENSE"), "train/LICENSE"),
    "a table in a class": (lambda t: junk(t / "train/a/labels.csv"), "train/a/labels.csv"),
    "a text below": (lambda t: junk(t / "train/a/b/notes.TXT"), "train/a/b/notes.TXT"),
    "a text with an odd name": (lambda t: junk(t / "train/a/\n.txt"), r"train/a/\n.txt"),
    "many": (
        lambda t: [junk(t / f"train/a/{n}.txt") for n in range(9)],
        "train/a/0.txt, train/a/1.txt, train/a/2.txt, train/a/3.txt, train/a/4.txt and 4 more",
    ),
}


@pytest.mark.parametrize("what", NAMED)
def test_what_is_not_read_is_named_in_one_line(tree, what, caplog) -> None:
    make, named = NAMED[what]
    make(tree)
    assert counts(tree)["train"] == [3, 2]
    assert [r.getMessage() for r in caplog.records] == [f"not read in {tree}: {named}"]


REFUSED: dict[str, tuple[Make, str]] = {
    "nothing": (
        lambda t: (t / "train").rename(t / "Train"),
        r"train not found: .*holds Train; set",
    ),
    "one class": (lambda t: (t / "train/b").rename(t / "b"), "at least 2; found only 'a'"),
    "a picture in no class": (
        lambda t: [picture(t / f"train/{n}.png") for n in range(5)],
        r"train holds pictures that lie in no class: 0.png, 1.png, 2.png and 2 more; move them",
    ),
    "a picture of another format": (
        lambda t: junk(t / "val/x.HEIC"),
        "val holds pictures that lie in no class: x.HEIC; move them into the folder of their",
    ),
    "an empty class": (lambda t: (t / "train/c").mkdir(), r"train/c holds no image$"),
    "empty folders": (
        lambda t: (t / "train/c/d/e").mkdir(parents=True),
        r"train/c holds no image$",
    ),
    "a class of texts": (
        lambda t: [junk(t / f"train/c/{n}.txt") for n in range(4)],
        r"train/c holds no image, only 0.txt, 1.txt, 2.txt and 1 more",
    ),
    "a file for a split": (lambda t: junk(t / "val"), r"val not found"),
    "an empty split": (lambda t: (t / "test").mkdir(), "test holds no image"),
    "two names of a split": (
        lambda t: [picture(t / name / "a/x.png") for name in ("val", "valid")],
        "holds val and valid, two names of one split: move one of them away",
    ),
    "an unknown class": (
        lambda t: picture(t / "test/cow/x.png"),
        "test/cow: class 'cow' is not among those of train/$",
    ),
    "a class in capitals": (
        lambda t: [picture(t / "train/cat/x.png"), picture(t / "test/Cat/x.png")],
        r"class 'Cat' is not among those of train/; did you mean 'cat'\?",
    ),
    "one class in two spellings": (
        lambda t: [
            picture(t / "train" / unicodedata.normalize(form, "\u00e9") / "x.png")
            for form in ("NFC", "NFD")
        ],
        "holds class '\u00e9' twice, in two spellings of Unicode",
    ),
    "a pipe": (lambda t: os.mkfifo(t / "train/a/x"), "a/x is a pipe, a socket or a device: remove"),
    "a link to a pipe": (
        lambda t: [os.mkfifo(t.parent / "x"), (t / "train/a/x").symlink_to(t.parent / "x")],
        "a/x is a pipe, a socket or a device: remove it",
    ),
    "a socket": (lambda t: listening(t / "train/a/x"), "a/x is a pipe, a socket or a device"),
    "a device": (
        lambda t: (t / "train/a/x").symlink_to("/dev/zero"),
        "a/x is a pipe, a socket or a device",
    ),
    "a link to nowhere": (
        lambda t: (t / "train/a/x.png").symlink_to("y.png"),
        "train/a/x.png cannot be read: no such file or directory",
    ),
    "a link to itself": (
        lambda t: (t / "train/a/x").symlink_to("x"),
        "train/a/x cannot be read: too many levels of symbolic links",
    ),
    "a link to its folder": (
        lambda t: (t / "train/a/x").symlink_to("."),
        r"train/a/x is a link to .*train/a, a folder that it lies in: remove it",
    ),
    "a class that is all classes": (
        lambda t: (t / "train/c").symlink_to("."),
        r"train/c is a link to .*/train, a folder that it lies in: remove it",
    ),
    "two links to each other": (
        lambda t: [(t / "train/a/x").symlink_to("../b"), (t / "train/b/y").symlink_to("../a")],
        r"train/a/x/y is a link to .*/train/a, a folder that it lies in: remove it",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_meant_is_refused_in_one_line(tree, what) -> None:
    make, message = REFUSED[what]
    make(tree)
    with pytest.raises(DataError, match=message) as error:
        counts(tree)
    assert "\n" not in str(error.value)


def test_classes_are_sorted_by_composed_name_and_recorded_so(tmp_path) -> None:
    for form in ("NFC", "NFD"):
        for name in ("z", "caf\u00e9", "cafz"):
            picture(tmp_path / form / "train" / unicodedata.normalize(form, name) / "x.png")
    found = [list_tree(tmp_path / form, needed=("train",)).classes for form in ("NFC", "NFD")]
    assert found == [("cafz", "caf\u00e9", "z")] * 2


def test_names_of_classes_are_text_that_a_record_can_hold(tree) -> None:
    picture(tree / "train" / os.fsdecode(b"caf\xe9") / "x.png")
    picture(tree / "val" / os.fsdecode(b"caf\xe9") / "x.png")
    assert list_tree(tree, needed=("train",)).classes == ("a", "b", r"caf\udce9")
    assert counts(tree) == {"train": [3, 2, 1], "val": [0, 0, 1]}
    picture(tree / "train" / r"caf\udce9" / "x.png")
    with pytest.raises(DataError, match="twice"):
        counts(tree)


def test_images_of_a_split_that_are_in_another_are_counted_at_every_use(tree, caplog) -> None:
    caplog.set_level(logging.INFO)
    picture(tree / "train/a/copy.png", 1)
    picture(tree / "train/b/copy.png", 1)
    picture(tree / "test/a/0.png", 0)
    picture(tree / "test/b/9.png", 99)
    picture(tree / "val/b/0.png", 4)
    said = []
    for _ in range(2):
        caplog.clear()
        ImageFolder(cache_size=4).read(str(tree))
        said.append([record.getMessage() for record in caplog.records])
    assert said[0] == ["decoding 10 images of image_folder at 4 pixels, once", *said[1]]
    assert said[1] == [
        "1 of 2 test images are also among those of train",
        "1 of 1 val images are also among those of train",
        "2 of 7 train images are copies of others",
    ]


def test_what_was_done_to_images_is_said_once_and_kept(tree, caplog) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (4, 4), 9).save(tree / "train/a/turned.png", exif=exif)
    Image.new("LA", (4, 4), (9, 9)).save(tree / "train/a/clear.png")
    Image.new("I;16", (4, 4), 900).save(tree / "train/b/deep.png")
    caplog.set_level(logging.INFO)
    folder = ImageFolder(cache_size=4, test=Amount(2, False))
    facts = folder.read(str(tree)).facts
    assert [record.getMessage() for record in caplog.records[1:]] == [
        "1 images were turned upright, as their EXIF orientation says",
        "1 images are transparent in parts, and were laid on white",
        "1 images have 16 bits a channel, whose grey values use 10: the upper 8 of those are kept",
    ]
    caplog.clear()
    again = folder.read(str(tree)).facts
    assert caplog.records == []
    assert again == facts
    assert {k: facts[k] for k in ("turned", "transparent", "deep", "bits")} == {
        "turned": 1,
        "transparent": 1,
        "deep": 1,
        "bits": 10,
    }


def test_cifar10_as_jpeg_names_what_it_does_not_read_too(tmp_path, caplog) -> None:
    for split in ("train", "test", "val"):
        for name in "ab":
            picture(tmp_path / "cifar10-jpeg" / split / name / "x.png", ord(split[1]) + ord(name))
    Cifar10Jpeg(cache_size=4).read(str(tmp_path))
    assert caplog.records[0].getMessage() == f"not read in {tmp_path / 'cifar10-jpeg'}: val/"
