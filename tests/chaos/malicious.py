"""Attack: files and words that would run code, eat memory or never end. Nothing of theirs runs,
each ends with one message, and memory and time stay bounded."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
import resource
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.chaos.command_lines import answers_to
from tests.chaos.trial import Arena
from tests.command import TINY, real

QUICK, FULL = 1, 1
CANARY = "CANARY"  # in the name of every file that a payload would make
MOST_BYTES = 2_000_000_000  # torch itself takes a quarter
FOLDER = ("data=image_folder", "model=cnn", "model.width=8", "epochs=1", "threads=1")


@dataclass(frozen=True)
class Payload:
    """Something hostile.

    Attributes:
        kind: what it is.
        words: of the command line that meets it.
        codes: exit codes that fit.
    """

    kind: str
    overrides: tuple[str, ...]
    codes: tuple[int, ...]


class Runs:
    """An object whose unpickling calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def bombs(canary: Path) -> Iterator[tuple[str, object]]:
    """Yield objects that leave a canary when they are unpickled, by different ways."""
    touch, write = f"touch {canary}", f"open({str(canary)!r}, 'w').close()"
    yield "os.system", Runs(os.system, touch)
    yield "eval", Runs(eval, f"__import__('os').system({touch!r})")
    yield "exec", Runs(exec, write)
    yield "open", Runs(open, str(canary), "w")
    yield "os.mkdir", Runs(os.mkdir, str(canary))
    yield "getattr", Runs(getattr, Runs(__import__, "os"), "system")
    yield "torch.save", Runs(torch.save, {}, str(canary))
    yield "shutil.copy", Runs(shutil.copy, __file__, str(canary))
    yield "Path.touch", Runs(Path.touch, canary)
    yield "compile", Runs(exec, Runs(compile, write, "x", "exec"))


def pickles(canary: Path) -> Iterator[tuple[str, bytes]]:
    """Yield files that hold them: bare, as torch saves, nested, and behind what is harmless."""
    for name, bomb in bombs(canary):
        yield f"pickle of {name}", pickle.dumps(bomb)
        for where, content in (("torch", bomb), ("nested", {"a": [torch.zeros(2), {"b": bomb}]})):
            buffer = io.BytesIO()
            torch.save(content, buffer)
            yield f"{where} pickle of {name}", buffer.getvalue()
    buffer = io.BytesIO()
    torch.save(
        {"x": Runs(os.system, f"touch {canary}")}, buffer, _use_new_zipfile_serialization=False
    )
    yield "old torch pickle", buffer.getvalue()


def checkpoints(run: Path, place: Path) -> Iterator[Payload]:
    """Yield copies of a run whose newest checkpoint holds a pickle under sums that are right."""
    for number, (kind, content) in enumerate(pickles(place / CANARY)):
        copy = place / f"run-{number}"
        shutil.copytree(run, copy)
        (copy / "summary.json").unlink()
        newest, *others = sorted((copy / "checkpoints").iterdir(), reverse=True)
        for other in others:
            shutil.rmtree(other)
        (newest / "state.pt").write_bytes(content)
        manifest = json.loads((newest / "manifest.json").read_text())
        sha256 = hashlib.sha256(content).hexdigest()
        manifest["files"]["state.pt"] = {"bytes": len(content), "sha256": sha256}
        (newest / "manifest.json").write_text(json.dumps(manifest))
        yield Payload(f"checkpoint: {kind}", (f"resume={copy}",), (4,))


def weights(place: Path) -> Iterator[Payload]:
    """Yield files that claim to be weights."""
    deep = b"[" * 50_000
    headers = {
        "a header of 2^60 bytes": struct.pack("<Q", 2**60),
        "a header of nothing": struct.pack("<Q", 0),
        "a deep header": struct.pack("<Q", len(deep)) + deep,
    }
    for kind, tensor in {
        "offsets beyond the end": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]},
        "offsets that run backwards": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        "a shape that overflows": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]},
    }.items():
        header = json.dumps({"w": tensor}).encode()
        headers[kind] = struct.pack("<Q", len(header)) + header + b"\0" * 4
    made = [*headers.items(), *list(pickles(place / CANARY))[:12]]
    for number, (kind, content) in enumerate(made):
        file = place / f"weights-{number}.safetensors"
        file.write_bytes(content)
        yield Payload(f"weights: {kind}", (*TINY, f"init_from={file}"), (5,))


def configurations(run: Path, place: Path) -> Iterator[Payload]:
    """Yield recorded configurations that are more than data."""
    good = (run / "config.yaml").read_text()
    touch = f"touch {place / CANARY}"
    tails = {
        "python/object/apply": f"x: !!python/object/apply:os.system ['{touch}']",
        "python/object/new": f"x: !!python/object/new:os.system ['{touch}']",
        "python/name": "x: !!python/name:os.system",
        "python/module": "x: !!python/module:antigravity",
        "a target": "_target_: os.system",
        "a target below": f"x: {{_target_: os.system, command: '{touch}'}}",
        "a partial": "x: {_target_: os.system, _partial_: true}",
        "hydra": f"hydra: {{callbacks: {{a: {{_target_: os.system, command: '{touch}'}}}}}}",
        "defaults": "defaults: [/etc/passwd]",
        "the environment": "x: ${oc.env:HOME}",
        "a resolver": f"x: ${{eval:'{touch}'}}",
        "a loop": "x: ${x}",
        "an alias bomb": bomb_of_aliases(),
        "deep lists": "x: " + "[" * 5000 + "]" * 5000,
        "a megabyte": "x: '" + "a" * 1_000_000 + "'",
        "keys that are lists": "? [a, b]\n: c",
        "a merge": "x: &x {a: 1}\ny: {<<: *x}",
        "a binary": "x: !!binary aGVsbG8=",
    }
    for number, (kind, tail) in enumerate(tails.items()):
        folder = place / f"config-{number}"
        folder.mkdir()
        (folder / "config.yaml").write_text(f"{good}\n{tail}\n")
        for word in ("repeat", "resume"):
            yield Payload(f"configuration: {kind}", (f"{word}={folder}",), (2,))
    folder = place / "config-plugins"
    folder.mkdir()
    (place / "hostile_plugin.py").write_text(f"open({str(place / CANARY)!r}, 'w')\n")
    listed = good.replace("plugins: []", "plugins: [hostile_plugin]")
    assert listed != good
    (folder / "config.yaml").write_text(listed)
    overrides = (f"repeat={folder}", f"hydra.run.dir={place / 'replayed'}")
    yield Payload("configuration: a plugin", overrides, (0, 2))


def bomb_of_aliases() -> str:
    """Return nine levels of ten references each: a thousand million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    return "\n".join(lines)


def png(width: int, height: int, rows: int) -> bytes:
    """Return a grey PNG that claims a size and holds that many rows, packed."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(width + 1)) for _ in range(rows)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def images(place: Path) -> Iterator[Payload]:
    """Yield trees of images with one that is none, or too much of one."""
    good = png(8, 8, 8)
    bad = {
        "a bomb": png(50_000, 50_000, 2_000),
        "a bomb in height": png(1, 2**31 - 1, 10),
        "a claim without rows": png(20_000, 20_000, 0),
        "a truncated one": good[: len(good) // 2],
        "words": b"<script>alert(1)</script>",
        "a pickle": pickle.dumps(Runs(os.system, f"touch {place / CANARY}")),
        "nothing": b"",
        "a vector": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/tmp/x) (w) file\n",
    }
    for number, (kind, content) in enumerate(bad.items()):
        tree = image_tree(place / f"images-{number}", good)
        (tree / "train" / "a" / "z.png").write_bytes(content)
        yield Payload(f"image: {kind}", (*FOLDER, f"data.root={tree}"), (5,))
    for number, (kind, target) in enumerate(
        {"endless": "/dev/zero", "random": "/dev/urandom", "a terminal": "/dev/tty"}.items()
    ):
        tree = image_tree(place / f"links-{number}", good)
        (tree / "train" / "a" / "z.png").symlink_to(target)
        yield Payload(f"image: a link to what is {kind}", (*FOLDER, f"data.root={tree}"), (5,))
    tree = image_tree(place / "pipe", good)
    os.mkfifo(tree / "train" / "a" / "z.png")
    # no file, so no image: left out, and above all not waited for
    yield Payload("image: a pipe that nobody fills", (*FOLDER, f"data.root={tree}"), (0, 5))


def image_tree(root: Path, content: bytes) -> Path:
    """Make a tree of two classes of images and return its root."""
    for split in ("train", "test"):
        for label in "ab":
            folder = root / split / label
            folder.mkdir(parents=True)
            for name in "wxy":
                (folder / f"{name}.png").write_bytes(content)
    return root


def data_sets(place: Path) -> Iterator[Payload]:
    """Yield files of data sets that claim more than they hold, or hold code."""
    raw = place / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split in ("train", "t10k"):
        images = struct.pack(">IIII", 0x803, 2**31 - 1, 2**15, 2**15)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(images)
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 2**31 - 1))
    yield Payload("data: 2^61 pixels", ("data=mnist", f"data.root={place / 'mnist'}"), (5,))
    for name, inner in (("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python")):
        folder = place / name / inner
        folder.mkdir(parents=True)
        content = pickle.dumps(Runs(os.system, f"touch {place / CANARY}"))
        for file in ("data_batch_1", "test_batch", "batches.meta", "train", "test", "meta"):
            (folder / file).write_bytes(content)
        yield Payload(
            f"data: {name} that runs", (f"data={name}", f"data.root={folder.parent}"), (5,)
        )


def overrides(place: Path) -> Iterator[Payload]:
    """Yield command lines that try to run something or to leave the folder of results."""
    touch = f"touch {place / CANARY}"
    for line in (
        "+x._target_=os.system",
        "optim._target_=os.system",
        "+hydra.callbacks.a._target_=os.system",
        "hydra.sweeper._target_=builtins.exec",
        "hydra.launcher._target_=os.system",
        "name=../outside",
        "name=/outside",
        "name=..",
        "name=a/../../b",
        "optim.lr=${eval:1}",
        "optim.lr=${oc.env:HOME}",
        "seed=${seed}",
        "plugins=[os.path.join]",
        "plugins=[../hostile]",
        "optim=../../etc/passwd",
        "model=/etc/passwd",
    ):
        yield Payload(f"words: {line}", (*TINY, line), (2,))
    for line in (f"name=$({touch})", f"name=`{touch}`", f"name=;{touch};", f"name=|{touch}"):
        yield Payload("words: a shell's", (*TINY, line), (2,))


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Meet the program with every payload, in one process."""
    place = arena.fresh("malicious")
    run, work = place / "good", place / "work"
    made = real((*TINY, f"hydra.run.dir={run}"), place)
    assert made.code == 0, made.err
    work.mkdir()
    every = [
        *checkpoints(run, place),
        *weights(place),
        *configurations(run, place),
        *images(place),
        *data_sets(place),
        *overrides(place),
    ]
    draw.shuffle(every)
    answers = answers_to([payload.overrides for payload in every], work, timeout_s=240)
    wrong = []
    for payload, (code, message, _) in zip(every, answers, strict=True):
        is_one = code == 0 or (message.count("error: ") == 1 and "Traceback" not in message)
        if code not in payload.codes or not is_one:
            wrong.append(f"{payload.kind} -> {code} {message[:300]!r}")
    assert not wrong, "\n".join(wrong)
    ran = [str(path) for path in place.rglob(f"*{CANARY}*")]
    assert not ran, f"code ran: {ran}"
    most_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert most_bytes < MOST_BYTES, f"a process took {most_bytes} bytes"
    arena.count("malicious inputs", len(every))
    return f"{len(every)} payloads, none ran; at most {most_bytes / 1e6:.0f} MB"
