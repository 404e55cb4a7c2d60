"""Weights that were trained before, read from a run, a file or torchvision.

They were made elsewhere: only safetensors are opened, of bounded size, and from a run only those
whose sums verify.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from trainer import checkpoint
from trainer.distributed import Strategy
from trainer.errors import ConfigError, DataError, NotFound
from trainer.origin import Origin
from trainer.published import read_torchvision
from trainer.record import RunRow, read_run
from trainer.recorded import read_recorded
from trainer.together import from_first

MAX_BYTES = 8 * 2**30  # of a weights file: beyond any network here, well below a wrong path's harm

log = logging.getLogger("trainer")


@dataclass(frozen=True)
class Weights:
    """Weights as read, and what is known of them.

    Attributes:
        key: of the configuration under which they were asked for.
        origin: where they come from.
        tensors: by name, on the CPU.
        sha256: of names, types, shapes and values.
        model: the plain configuration of the network, where they come from a run.
        data: name and fingerprint of the images that run was trained on.
    """

    key: str
    origin: Origin
    tensors: Mapping[str, torch.Tensor] = field(repr=False)
    sha256: str
    model: Mapping[str, Any] | None = None
    data: Mapping[str, str] | None = None

    @property
    def told(self) -> str:
        """How a message names them: key and value."""
        return f"{self.key}={self.origin}"


def read_all(
    origins: Mapping[str, Origin], model: Mapping[str, Any], strategy: Strategy
) -> dict[str, Weights]:
    """Return all weights that a configuration names, by key; the first process reads.

    Args:
        origins: where they come from, by key.
        model: the plain configuration of the network.
        strategy: of the run.

    Raises:
        TrainerError: as `read_weights`, in every process.
    """
    return {
        key: from_first(strategy, partial(read_weights, key, origin, model))
        for key, origin in origins.items()
    }


def read_weights(key: str, origin: Origin, model: Mapping[str, Any]) -> Weights:
    """Return the weights that a key names.

    Args:
        key: of the configuration, for messages.
        origin: its value.
        model: the plain configuration of the network that they are for.

    Raises:
        NotFound: if there is no such run, step or file, or no checkpoint verifies.
        DataError: if a file is damaged, is no weights file, or cannot be downloaded.
        ConfigError: if the run has no such weights, or torchvision none of that name.
    """
    known: dict[str, Any] = {}
    if origin.path is None:
        tensors = read_torchvision(key, origin.torchvision, model)
    elif origin.path.is_file():
        tensors = read_file(origin.path)
    else:
        tensors, known = read_from_run(key, origin.path, origin.which)
    return Weights(key, origin, tensors, checkpoint.digest(tensors), **known)


def read_file(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DataError(f"{path} is larger than {MAX_BYTES} bytes: not weights of a network")
    try:
        return safetensors.torch.load(path.read_bytes())
    except (OSError, safetensors.SafetensorError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(
            f"{path} is damaged or no safetensors file ({reason}); other formats can hold code "
            "and are not read"
        ) from error


def read_from_run(
    key: str, path: Path, which: str
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return weights of a run, and what its record says of them.

    Args:
        key: of the configuration, for messages.
        path: the run's folder, or that of one of its checkpoints.
        which: `last`, `best`, `average` or a step.
    """
    if path.parent.name == "checkpoints" and checkpoint.NAME.fullmatch(path.name):
        which, path = path.name.removeprefix("step-"), path.parent.parent
    if not path.is_dir():
        raise NotFound(f"{key}: no run and no file at {path}")
    model = read_recorded(path).get("model")
    found = find_checkpoint(key, path, which)
    try:
        tensors = found.averaged() if which == "average" else found.weights()
    except safetensors.SafetensorError as error:  # whoever wrote it wrote the sums too
        raise DataError(f"{found.path} holds no weights ({error})") from error
    if which == "average" and not tensors:
        raise ConfigError(
            f"{key}={path}@average: this run has no averaged weights; those that were trained with "
            "average=swa, average=ema and the like do"
        )
    return tensors, {"model": model, "data": found.manifest.get("data")}


def find_checkpoint(key: str, run: Path, which: str) -> checkpoint.Checkpoint:
    """Return the checkpoint that `which` means, verified."""
    root = run / "checkpoints"
    if which == "average" and record_of(run).status != "completed":
        raise ConfigError(
            f"{key}={run}@average: the run is not completed, so the BatchNorm statistics of its "
            "averaged weights are not final"
        )
    if which in ("last", "average"):
        found, damaged = checkpoint.newest(root)
        for path in damaged:
            log.warning("%s is damaged and was passed over", path)
        if found is None:
            raise NotFound(f"{key}: no checkpoint in {root} verifies")
        return found
    if which == "best":
        scored = [row for row in record_of(run).epochs if row.val_top1 is not None]
        if not scored:
            raise ConfigError(f"{key}={run}@best: this run has no validation accuracy")
        step = max(scored, key=lambda row: row.val_top1 or 0.0).step  # the first of equals
    else:
        step = int(which)
    found = checkpoint.verify(root / f"step-{step:08d}")
    if found is None:
        kept = ", ".join(str(int(p.name.removeprefix("step-"))) for p in checkpoint.folders(root))
        raise NotFound(
            f"{key}: {run} has no checkpoint of step {step} that verifies; it keeps: {kept or '-'} "
            "(checkpoint.keep=N or all keeps more)"
        )
    return found


def record_of(run: Path) -> RunRow:
    """Return a run's record; raise DataError where it is damaged."""
    try:
        return read_run(run)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"the record in {run} is damaged: {error}") from error
