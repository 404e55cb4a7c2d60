"""Folders of images as found on other people's disks: odd names, depths, links, files and splits.

Each trial makes a tree at random and knows what it holds: the images must come back exactly, each
in its class and split, or one line must name what is wrong with the tree. Nothing is lost or waited
for in silence: what is not read is named.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import random
import socket
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from tests.alarm import within
from tests.chaos.trial import Arena
from tests.nobody import as_nobody
from trainer.core.errors import DataError
from trainer.core.units import Amount
from trainer.data.image_folder import ImageFolder

QUICK, FULL = 400, 6000
SIZE = 4

DEBRIS = ("@eaDir", "__MACOSX", "lost+found", "__pycache__", ".ipynb_checkpoints", ".git", "@tmp")
DEBRIS_FILES = ("Thumbs.db", ".DS_Store", "desktop.ini", "Icon\r", "._0.png", ".hidden.png")
BESIDE = ("labels.csv", "README.md", "notes.TXT", "clip.mp4", "data.json", "page.html", "boxes.txt")
LETTERS = (
    *("a", "b", "Z", "0", " ", "'", '"', "#", "=", ",", "[", "]", "{", "$", "%", "*", "?", "~"),
    *("-", "--", "\n", "\r", "\t", "\\", "\u00e9", "e\u0301", "\u5b66", "\u0627", "\u202e"),
    *("\U0001f600", "\u00df", "\u0130", "\u212b", "\ufb01", os.fsdecode(b"\xff"), "\u200d"),
)
NO_IMAGE = {
    "empty": b"",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "GIF": b"GIF89a" + bytes(20),
    "TIFF": b"II*\0" + bytes(20),
    "HEIC": b"\0\0\0\x18ftypheic" + bytes(20),
    "PDF": b"%PDF-1.7\n" + bytes(20),
    "web page": b"<!DOCTYPE html><html></html>",
    "ZIP": b"PK\3\4" + bytes(40),
    "zeros": bytes(700),
    "text": b"not an image at all\n",
}


@dataclass
class World:
    """A tree, and what must come of it.

    Attributes:
        root: of the data set.
        draw: all chance comes from here.
        images: colours by split and composed class name; `folders` and `files`, where they are.
        unused: what must be named as not read.
        wrong: what is wrong with the tree, as words of which the one line must hold one.
        is_forbidden: whether that is a right which this process has, and others have not.
        used: colours.
        names: that are taken.
    """

    root: Path
    draw: random.Random
    images: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    folders: dict[tuple[str, str], Path] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    is_forbidden: bool = False
    used: int = 0
    names: set[str] = field(default_factory=set)

    def name(self, ending: str = "") -> str:
        """Return a name that no other file or folder has, in any spelling."""
        while True:
            length = self.draw.choice((1, 1, 2, 4, 9))
            text = "".join(self.draw.choice(LETTERS) for _ in range(length)) + ending
            text = text.lstrip(".")
            known = unicodedata.normalize("NFKC", text).casefold()
            if known and text.strip() and known not in self.names and len(os.fsencode(text)) < 200:
                self.names.add(known)
                return text

    def colour(self) -> int:
        """Return a colour that no other image has."""
        self.used += 1
        return self.used


def rgb(number: int) -> tuple[int, int, int]:
    """Return the colour of a number: it survives a JPEG file."""
    return number % 16 * 16 + 8, number // 16 % 16 * 16 + 8, number // 256 % 16 * 16 + 8


def number_of(pixels: list[int]) -> int:
    """Return the number of a colour."""
    red, green, blue = (value // 16 for value in pixels)
    return red + 16 * green + 256 * blue


def content(number: int, draw: random.Random) -> tuple[bytes, str]:
    """Return an image file of a colour, in a random format and mode, and how its name may end."""
    kind = draw.choice(("PNG", "PNG", "JPEG", "WEBP", "BMP"))
    side = draw.choice((1, 3, 4, 7, 40))
    image = Image.new("RGB", (side, draw.choice((side, 5, 9))), rgb(number))
    options: dict[str, object] = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(kind, {})
    if kind in ("PNG", "WEBP") and draw.random() < 0.3:
        image.putalpha(255)
    elif kind == "PNG" and draw.random() < 0.3:
        image = image.quantize(2)
    if kind != "BMP" and draw.random() < 0.3:
        exif = Image.Exif()
        exif[0x0112] = draw.randint(0, 9)
        options = {**options, "exif": damaged(exif.tobytes(), draw)}
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    endings = {"PNG": (".png", ".PNG"), "JPEG": (".jpg", ".jpeg", ".JPG"), "WEBP": (".webp",)}
    ending = draw.choice((*endings.get(kind, (".bmp",)), draw.choice((".png", ".jpg", "", ".x"))))
    return stream.getvalue(), ending


def damaged(exif: bytes, draw: random.Random) -> bytes:
    """Return EXIF data, sometimes damaged behind the six bytes that begin them."""
    if draw.random() < 0.6:
        return exif
    data = bytearray(exif)
    for _ in range(draw.randint(1, 4)):
        data[draw.randrange(6, len(data))] = draw.randrange(256)
    return bytes(data[: draw.randint(7, len(data))])


def add_image(world: World, split: str, name: str, folder: Path) -> Path:
    """Write an image of a class, perhaps some folders below; return its file."""
    draw, number = world.draw, world.colour()
    for _ in range(draw.choice((0, 0, 0, 1, 3))):
        inner = sorted(p for p in folder.iterdir() if p.is_dir()) if draw.random() < 0.5 else []
        inner = [p for p in inner if not p.is_symlink() and p.name not in DEBRIS]
        folder = draw.choice(inner) if inner else folder / world.name()
        folder.mkdir(exist_ok=True)
    data, ending = content(number, draw)
    file = folder / world.name(ending)
    file.write_bytes(data)
    if draw.random() < 0.1:
        time = draw.choice((0, 1, 10**9, -(10**9), 2**33 * 10**9, 2**62))
        with contextlib.suppress(OSError, OverflowError):
            os.utime(file, ns=(time, time))
    world.images[split].setdefault(name, []).append(number)
    world.files.append(file)
    return file


def make(world: World) -> None:
    """Make a tree that is right: classes, splits, and what may lie there besides."""
    draw = world.draw
    classes = [world.name() for _ in range(draw.choice((2, 2, 3, 5)))]
    present = ["train", *(split for split in ("val", "test") if draw.random() < 0.5)]
    for split in present:
        where = world.root / split
        if split == "val":
            where = world.root / draw.choice(("val", "val", "valid", "validation"))
        world.images[split] = {}
        some = classes if split == "train" else draw.sample(classes, draw.randint(1, len(classes)))
        for name in some:
            form = draw.choice(("NFC", "NFD")) if draw.random() < 0.3 else None
            folder = where / (name if form is None else unicodedata.normalize(form, name))
            folder.mkdir(parents=True)
            composed = recorded(name)
            world.folders[split, composed] = folder
            for _ in range(draw.choice((2, 3, 6)) if split == "train" else draw.choice((1, 2))):
                add_image(world, split, composed, folder)
    for _ in range(draw.choice((0, 1, 3))):
        draw.choice(HARMLESS)(world)


def recorded(name: str) -> str:
    """Return a class's name as records hold it."""
    return unicodedata.normalize("NFC", name.encode("utf-8", "backslashreplace").decode())


def anywhere(world: World) -> Path:
    """Return a folder of the tree: its root, a split or a class."""
    classes = sorted(world.folders.values())
    return world.draw.choice([world.root, classes[0].parent, *classes])


def leave_debris(world: World) -> None:
    """Leave what other programs leave, with pictures in it."""
    place = anywhere(world)
    if world.draw.random() < 0.5:
        folder = place / world.draw.choice(DEBRIS)
        folder.mkdir(exist_ok=True)
        (folder / "x.png").write_bytes(content(4000, world.draw)[0])
    else:
        (place / world.draw.choice(DEBRIS_FILES)).write_bytes(b"junk")


def leave_beside(world: World) -> None:
    """Leave a text or a film, which is not read."""
    file = anywhere(world) / (world.name() + world.draw.choice(BESIDE))
    file.write_bytes(b"junk")
    world.unused.append(str(file.relative_to(world.root)))


def leave_no_file(world: World) -> None:
    """Leave a pipe, a socket or a link to a device in a class: to open one may be to wait."""
    file = world.draw.choice(sorted(world.folders.values())) / world.name(".png")
    kind = world.draw.randrange(4)
    if kind == 0:
        os.mkfifo(file)
    elif kind == 1:
        pipe = world.root.parent / world.name()
        os.mkfifo(pipe)
        file.symlink_to(pipe)
    elif kind == 2:
        file.symlink_to(world.draw.choice(("/dev/zero", "/dev/null", "/dev/random")))
    else:
        with contextlib.chdir(file.parent), socket.socket(socket.AF_UNIX) as server:
            server.bind("s")  # a socket's path is short
        (file.parent / "s").rename(file)
    world.wrong.append("is a pipe, a socket or a device")


def leave_folder(world: World) -> None:
    """Leave a folder beside the splits."""
    name = world.draw.choice(("raw", "Test", "images", "train2", "old val", world.name()))
    if not (world.root / name).exists():
        (world.root / name / "c").mkdir(parents=True)
        (world.root / name / "c" / "x.png").write_bytes(content(4001, world.draw)[0])
        world.unused.append(f"{name}/")


def link_image(world: World) -> None:
    """Link to an image elsewhere, or to a folder of them."""
    split, name = world.draw.choice(sorted(world.folders))
    outside = world.root.parent / world.name()
    outside.mkdir()
    file = add_image(world, split, name, outside)
    link = world.folders[split, name] / world.name()
    link.symlink_to(outside if world.draw.random() < 0.5 else file)


def link_hard(world: World) -> None:
    """Give an image a second name elsewhere, outside the tree."""
    with contextlib.suppress(OSError):  # its class was moved
        os.link(world.draw.choice(world.files), world.root.parent / world.name())


def link_class(world: World) -> None:
    """Move a class elsewhere and leave a link to it."""
    folder = world.draw.choice(sorted(world.folders.values()))
    if folder.is_symlink():
        return
    target = world.root.parent / world.name()
    folder.rename(target)
    folder.symlink_to(target)


HARMLESS: tuple[Callable[[World], None], ...] = (
    *(leave_debris, leave_beside, leave_folder, link_image, link_hard, link_class),
)


def spoil_files(world: World) -> None:
    """Put files that are no images into classes."""
    count = world.draw.choice((1, 1, 2, 9, 12))
    for _ in range(count):
        folder = world.draw.choice(sorted(world.folders.values()))
        kind = world.draw.choice(sorted(NO_IMAGE))
        (folder / world.name(".png")).write_bytes(NO_IMAGE[kind])
        world.wrong.append(kind)
    if count > 1:
        world.wrong = [f"{count} of "]


def cut_file(world: World) -> None:
    """Cut an image short."""
    folder = world.draw.choice(sorted(world.folders.values()))
    noise = Image.effect_noise((40, 40), 90)
    stream = io.BytesIO()
    noise.save(stream, world.draw.choice(("PNG", "JPEG", "WEBP", "BMP")))
    whole = stream.getvalue()
    name = world.name(".png")
    (folder / name).write_bytes(whole[: len(whole) // 2])
    world.wrong.append("damaged")


def lead_nowhere(world: World) -> None:
    """Leave a link to nothing, to itself, or to a folder above it."""
    folder = world.draw.choice(sorted(world.folders.values()))
    name = world.name()
    target, words = world.draw.choice(
        (
            ("nothing at all", "no such file"),
            (name, "too many levels"),
            (".", "a folder that it lies in"),
            ("..", "a folder that it lies in"),
        )
    )
    (folder / name).symlink_to(folder / target if target != name else target)
    world.wrong.append(words)


def stray_picture(world: World) -> None:
    """Leave a picture in no class."""
    where = world.draw.choice(sorted(world.folders.values())).parent
    (where / world.name(".png")).write_bytes(content(4002, world.draw)[0])
    world.wrong.append("lie in no class")


def strange_class(world: World) -> None:
    """Let a split have a class that training has not, or training one without images."""
    split = world.draw.choice(sorted(world.images))
    where = next(p for (s, _), p in world.folders.items() if s == split).parent
    folder = where / world.name()
    (folder / world.name()).mkdir(parents=True)
    world.wrong.append("holds no image" if split == "train" else "is not among those of train")


def two_spellings(world: World) -> None:
    """Let one class have two folders whose names look alike."""
    train = next(p for (s, _), p in world.folders.items() if s == "train").parent
    for form in ("NFC", "NFD"):
        folder = train / unicodedata.normalize(form, "cl\u00e4ss")
        folder.mkdir()
        (folder / world.name(".png")).write_bytes(content(4003, world.draw)[0])
    world.wrong.append("in two spellings")


def two_names(world: World) -> None:
    """Let one split have two folders."""
    for name in ("val", "valid"):
        (world.root / name).mkdir(exist_ok=True)
    world.wrong.append("two names of one split")


def forbid(world: World) -> None:
    """Take the right to read a folder or a file away."""
    world.draw.choice([*sorted(world.folders.values()), *world.files]).chmod(0)
    world.is_forbidden = True
    world.wrong.append("permission denied")


WRONG: tuple[Callable[[World], None], ...] = (
    *(spoil_files, spoil_files, cut_file, lead_nowhere, stray_picture, strange_class),
    *(two_spellings, two_names, forbid, leave_no_file),
)


class Lines(logging.Handler):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def read(root: Path) -> tuple[dict[str, dict[str, Counter[int]]] | str, list[str]]:
    """Return the colours by split and class that a tree is read as, or the one line that refuses
    it; and what was said."""
    lines, logger = Lines(), logging.getLogger("trainer")
    logger.addHandler(lines)
    level, logger.level = logger.level, logging.INFO
    try:
        with within():
            source = ImageFolder(cache_size=SIZE, test=Amount(1, False)).read(str(root))
    except DataError as error:
        return str(error), lines.said
    finally:
        logger.removeHandler(lines)
        logger.level = level
    found: dict[str, dict[str, Counter[int]]] = {}
    for split, part in (("train", source.train), ("test", source.test), ("val", source.val)):
        if part is not None:
            found[split] = {name: Counter() for name in source.classes}
            for image, label in zip(part.images, part.labels.tolist(), strict=True):
                middle = image[:, SIZE // 2, SIZE // 2].tolist()
                found[split][source.classes[label]][number_of(middle)] += 1
    return found, lines.said


def check_right(world: World, found: dict[str, dict[str, Counter[int]]], said: list[str]) -> None:
    """Check that every image came back in its class and split, and that the rest was named."""
    expected = {
        split: {name: Counter(world.images[split].get(name, [])) for name in world.images["train"]}
        for split in world.images
    }
    if "test" not in expected:  # one of train was set aside
        assert sum(map(Counter.total, found["test"].values())) == 1
        for name, colours in found.pop("test").items():
            found["train"][name] += colours
    assert list(found["train"]) == sorted(expected["train"]), "the classes are others"
    assert found == expected
    notes = [line for line in said if line.startswith("not read in ")]
    assert len(notes) == bool(world.unused), f"{world.unused}: {said}"
    if len(world.unused) <= 5:
        from trainer.core.file_kinds import printable

        for path in world.unused:
            assert printable(path) in notes[0], f"{path!r} is not in {notes[0]}"


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Make a tree, read it twice, and spoil it in one way sometimes."""
    here = arena.fresh("folders")
    world = World(here / "set", draw)
    world.root.mkdir()
    make(world)
    spoilt = draw.random() < 0.4
    if spoilt:
        draw.choice(WRONG)(world)
    with (
        as_nobody(arena.root, arena.root.parent) if world.is_forbidden else contextlib.nullcontext()
    ):
        found, said = read(world.root)
    for line in said:
        assert line.isprintable(), f"a line that is none: {line!r}"
    if isinstance(found, str):
        assert found.isprintable(), f"a line that is none: {found!r}"
        assert spoilt, f"refused: {found}"
        assert any(words in found for words in world.wrong), f"{world.wrong}: {found}"
        arena.count("trees refused: " + world.wrong[0][:12])
        return f"refused: {found[:60]}"
    assert not spoilt, f"read, and not refused for {world.wrong}"
    check_right(world, found, said)
    again, _ = read(world.root)
    assert not isinstance(again, str)
    if "test" not in world.images:
        for name, colours in again.pop("test").items():
            again["train"][name] += colours
    assert again == found, "the cache holds something else"
    arena.count("trees read exactly")
    return f"read {world.used} images, {len(world.unused)} files named"
