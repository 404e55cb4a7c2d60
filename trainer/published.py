"""Weights that torchvision publishes, by torch's own download cache."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from trainer.errors import ConfigError, DataError, unknown
from trainer.network import short_timeout


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
        if file.exists():
            check_hash(file)
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


def check_hash(file: Path) -> None:
    """Raise ValueError unless the SHA-256 begins as the file's name ends; torch checks downloads
    only."""
    wanted = file.stem.rsplit("-", 1)[-1]
    with open(file, "rb") as content:
        if not hashlib.file_digest(content, "sha256").hexdigest().startswith(wanted):
            raise ValueError(f"its SHA-256 does not begin with {wanted}: the file is damaged")


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
