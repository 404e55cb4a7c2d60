"""Weights that were trained before, read from a run, a file or torchvision.

They were made elsewhere: only safetensors are opened, of bounded size, and from a run only those
whose sums verify.
"""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from trainer.checkpoint import format as checkpoint
from trainer.composition.replay import read_recorded
from trainer.core.errors import ConfigError, DataError, NotFound, unknown
from trainer.core.file_kinds import kind_of
from trainer.core.limits import short_timeout
from trainer.core.weights_source import Origin
from trainer.record.runs import RunRow, read_run
from trainer.strategy.base import Strategy
from trainer.strategy.collectives import broadcast

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
        classes: names of the outputs, in their order, where they are known.
        images: shape, mean and std of the images that run was trained on, where it recorded them.
    """

    key: str
    origin: Origin
    tensors: Mapping[str, torch.Tensor] = field(repr=False)
    sha256: str
    model: Mapping[str, Any] | None = None
    data: Mapping[str, str] | None = None
    classes: tuple[str, ...] | None = None
    images: Mapping[str, Any] | None = None

    @property
    def label(self) -> str:
        """How a message names them: key and value."""
        return f"{self.key}={self.origin}"


def read_all(
    origins: Mapping[str, Origin], model: Mapping[str, Any], strategy: Strategy
) -> dict[str, Weights]:
    """Return all weights that a configuration names, by key; the first process reads.

    Raises:
        TrainerError: as `read_weights`, in every process.
    """
    return {
        key: broadcast(strategy, partial(read_weights, key, origin, model))
        for key, origin in origins.items()
    }


def read_weights(key: str, origin: Origin, model: Mapping[str, Any]) -> Weights:
    """Return the weights that a key of the configuration names, for the network of `model`.

    Raises:
        NotFound: if there is no such run, step or file, or no checkpoint verifies.
        DataError: if a file is damaged, is no weights file, or cannot be downloaded.
        ConfigError: if the run has no such weights, or torchvision none of that name.
    """
    known: dict[str, Any] = {}
    if origin.path is None:
        tensors = read_torchvision(key, origin.torchvision, model)
    elif origin.path.is_file():
        tensors, known["classes"] = read_file(origin.path)
    else:
        tensors, known = read_from_run(key, origin.path, origin.which)
    return Weights(key, origin, tensors, checkpoint.digest(tensors), **known)


def read_file(path: Path) -> tuple[dict[str, torch.Tensor], tuple[str, ...] | None]:
    """Return the tensors of a safetensors file, and the classes that its header names."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DataError(f"{path} is larger than {MAX_BYTES} bytes: not weights of a network")
    try:
        content = path.read_bytes()
        tensors = safetensors.torch.load(content)
    except (OSError, safetensors.SafetensorError) as error:
        kind = kind_of(path)
        reason = f"it is {kind}" if kind else " ".join(str(error).split())[:120]
        raise DataError(
            f"{path} is damaged or no safetensors file ({reason}); other formats can hold code "
            "and are not read"
        ) from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    try:
        named = json.loads(header["__metadata__"][checkpoint.CLASSES])
    except (KeyError, TypeError, ValueError, RecursionError):
        named = None
    return tensors, class_names(named)


def class_names(named: object) -> tuple[str, ...] | None:
    """Return names of classes; None where they are something else."""
    names = tuple(str(name) for name in named) if isinstance(named, list) else ()
    return names if names and len(set(names)) == len(names) else None


def read_from_run(
    key: str, path: Path, which: str
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return weights of a run, whose folder or one of whose checkpoints' is named, and what its
    record says of them."""
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
    classes = class_names(found.manifest.get(checkpoint.CLASSES))
    known = {name: found.manifest.get(name) for name in ("data", checkpoint.IMAGES)}
    return tensors, {"model": model, "classes": classes, **known}


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


def read_torchvision(key: str, name: str, model: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return published weights of a network of torchvision, downloaded once into torch's cache.

    Raises:
        ConfigError: for a network of ours, or a name that the network does not have.
        DataError: if the file is damaged or cannot be had; says where to put it.
    """
    if model.get("name") != "torchvision":
        raise ConfigError(
            f"{key}=torchvision:{name} is for model=torchvision, not model={model.get('name')}"
        )
    from torchvision import models

    entries = models.get_model_weights(model["arch"]).__members__
    if name not in entries:
        raise unknown(f"weights of {model['arch']} for {key}:", name, list(entries))
    url = entries[name].url
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    try:
        if file.exists():  # torch checks downloads only
            wanted = file.stem.rsplit("-", 1)[-1]
            with open(file, "rb") as content:
                if not hashlib.file_digest(content, "sha256").hexdigest().startswith(wanted):
                    raise ValueError(
                        f"its SHA-256 does not begin with {wanted}: the file is damaged"
                    )
        with short_timeout():
            tensors: dict[str, torch.Tensor] = torch.hub.load_state_dict_from_url(
                url, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
    except Exception as error:  # of the network, of the file, of what is no plain tensor in it
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{key}=torchvision:{name}: {url} could not be read ({reason}); put that file at {file}"
        ) from error
    return renamed(tensors)


def renamed(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return published tensors under the names of today's networks, without auxiliary heads.

    The DenseNets were published when a layer's name held a point more.
    """
    pattern = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)")
    heads = ("aux1.", "aux2.", "AuxLogits.")  # of googlenet and inception_v3, left out here
    return {
        pattern.sub(r"\1\2", name): tensor
        for name, tensor in tensors.items()
        if not name.startswith(heads)
    }
