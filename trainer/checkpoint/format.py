"""Checkpoints: folders with a manifest of SHA-256 sums, that appear whole or not at all.

`step-00001234/` holds `model.safetensors`, `average.safetensors` where there is one, `state.pt` and
`manifest.json`.
It is built under a temporary name, flushed to disk, renamed, and read back. Nothing is unpickled
before its sum was checked, and then only with `weights_only=True`.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import secrets
import shutil
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from trainer.core.errors import DiskError, NotFound, TrainerError
from trainer.core.files import reporting_disk, sync_folder, write_bytes

FORMAT = 2  # of what is written; its state alone can be resumed

READABLE = (1, 2)  # formats whose weights can be read

MANIFEST_BYTES = 1_000_000  # none is as large

ALWAYS = {"model.safetensors", "state.pt"}  # files of every checkpoint

CLASSES = "classes"  # in the manifest, and as JSON in the header of a safetensors file

IMAGES = "images"  # in the manifest: shape, mean and std of what the network was trained on

NAME = re.compile(r"step-(\d{8,})")

TEMPORARY = (".building-*", ".replaced-*", ".removed-*")  # a killed writer leaves them


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose manifest verified: sizes and sums of its files, key, versions, threads,
    world size."""

    path: Path
    step: int
    manifest: Mapping[str, Any]

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the model's state dict, on the CPU."""
        return safetensors.torch.load(self._verified("model.safetensors"))

    def averaged(self) -> dict[str, torch.Tensor]:
        """Return the averaged model's state dict, empty where there is none."""
        name = "average.safetensors"
        return (
            safetensors.torch.load(self._verified(name)) if name in self.manifest["files"] else {}
        )

    def state(self) -> dict[str, Any]:
        """Return what `state.save_state` gave.

        Raises:
            NotFound: if an older version of this program wrote it.
        """
        if self.manifest["format"] != FORMAT:
            run = self.path.parent.parent
            raise NotFound(
                f"an older version of this program wrote {self.path}, and this version cannot "
                f"resume its state: train anew with repeat={run}, or start from its weights with "
                f"init_from={run}"
            )
        loaded: dict[str, Any] = torch.load(
            io.BytesIO(self._verified("state.pt")), map_location="cpu", weights_only=True
        )
        return loaded

    def _verified(self, name: str) -> bytes:
        content = (self.path / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != self.manifest["files"][name]["sha256"]:
            raise TrainerError(f"{self.path / name} changed while it was read")
        return content


def pack(
    *,
    weights: Mapping[str, torch.Tensor],
    averaged: Mapping[str, torch.Tensor] | None,
    state: Mapping[str, Any],
    classes: Sequence[str] = (),
) -> dict[str, bytes]:
    """Return the files of a checkpoint by name, in memory of their own: what trains may go on. The
    headers of the weights' files hold `classes`: such a file is copied alone."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    header = {CLASSES: json.dumps(list(classes))} if classes else None
    contents = {
        "model.safetensors": safetensors.torch.save(packed(weights), header),
        "state.pt": buffer.getvalue(),
    }
    if averaged is not None:
        contents["average.safetensors"] = safetensors.torch.save(packed(averaged), header)
    return contents


def write(
    root: Path, step: int, packed_files: Mapping[str, bytes], facts: Mapping[str, Any]
) -> Checkpoint:
    """Write a checkpoint into the run's `checkpoints` folder, read it back, and return it; its
    manifest says `facts` as well.

    Raises:
        DiskError: if the disk is full, read-only or gives back something else than it was given;
            earlier checkpoints are untouched.
    """
    contents = dict(packed_files)
    files = {
        n: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in contents.items()
    }
    manifest = {"format": FORMAT, "step": step, **facts, "files": files}
    contents["manifest.json"] = json.dumps(manifest, indent=1).encode()
    final = root / f"step-{step:08d}"
    with reporting_disk(final, sum(map(len, contents.values()))):
        if not root.is_dir():
            root.mkdir()
            sync_folder(root.parent)
        building = root / f".building-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            building.mkdir()
            for name, content in contents.items():
                write_bytes(building / name, content)
            sync_folder(building)
            if final.exists():  # the same step was saved before, or what lies there is damaged
                move_aside(final, "replaced")
            os.rename(building, final)
            sync_folder(root)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    clear(root)
    written = verify(final)
    if written is None:
        raise DiskError(f"{final} does not read back as it was written; the disk may be failing")
    return written


def verify(path: Path) -> Checkpoint | None:
    """Return the checkpoint in a folder, or None if anything about it is damaged."""
    try:
        if not has_size(path / "manifest.json", range(MANIFEST_BYTES)):
            return None
        manifest = json.loads((path / "manifest.json").read_bytes())
        if manifest["format"] not in READABLE or f"step-{manifest['step']:08d}" != path.name:
            return None
        if not manifest["files"].keys() >= ALWAYS:
            return None
        for name, facts in manifest["files"].items():
            # the size first: what somebody else made may be a link to something endless
            if (path / name).parent != path or not has_size(path / name, (facts["bytes"],)):
                return None
            if hashlib.sha256((path / name).read_bytes()).hexdigest() != facts["sha256"]:
                return None
        return Checkpoint(path, manifest["step"], manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def has_size(file: Path, sizes: Container[int]) -> bool:
    """Return whether something is a file of one of these sizes in bytes."""
    return file.is_file() and file.stat().st_size in sizes


def folders(root: Path) -> list[Path]:
    """Return the checkpoint folders, newest first, verified or not."""
    found = [p for p in root.iterdir() if NAME.fullmatch(p.name)] if root.is_dir() else []
    return sorted(found, key=lambda p: int(p.name.removeprefix("step-")), reverse=True)


def newest(root: Path) -> tuple[Checkpoint | None, list[Path]]:
    """Return the newest checkpoint that verifies, and the damaged folders that are newer than
    it."""
    damaged: list[Path] = []
    for path in folders(root):
        checkpoint = verify(path)
        if checkpoint is not None:
            return checkpoint, damaged
        damaged.append(path)
    return None, damaged


def prune(
    root: Path, *, keep: int | None, best: Iterable[int] = (), known: Iterable[Path] = ()
) -> None:
    """Delete checkpoints that are neither of one of the `best` steps nor among the `keep` newest
    that verify, as `known` did just now; where `keep` is None, all stay."""
    if keep is None:
        return
    kept = {f"step-{step:08d}" for step in best}
    good = 0  # a damaged one counts for nothing, wherever it stands
    for path in folders(root):
        if good < keep:
            good += path in known or verify(path) is not None
        elif path.name not in kept:
            with contextlib.suppress(OSError):  # read-only by now: the next write says so
                move_aside(path, "removed")
    clear(root)


def move_aside(path: Path, why: str) -> None:
    """Take a checkpoint's name away at once: none is ever seen half deleted."""
    os.rename(path, path.parent / f".{why}-{secrets.token_hex(4)}")


def clear(root: Path) -> None:
    """Remove what is half built or set aside; only the one writer of the run calls this."""
    for pattern in TEMPORARY:
        for path in root.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def packed(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors as safetensors takes them: contiguous, on the CPU, none sharing memory with
    another."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def digest(*groups: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of groups of named tensors: names, types, shapes and bytes, in the names'
    order."""
    total = hashlib.sha256()
    for i, group in enumerate(groups):
        for name, tensor in sorted(group.items()):
            total.update(f"{i}/{name}/{tensor.dtype}/{tuple(tensor.shape)}".encode())
            total.update(
                tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
            )
    return total.hexdigest()
