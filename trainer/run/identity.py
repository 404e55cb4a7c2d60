"""What a run is known by: its facts, its key, and what it was before."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from trainer.config.run_config import RunConfig
from trainer.data import Source
from trainer.record import provenance
from trainer.record.provenance import PACKAGE
from trainer.run.request import RunRequest
from trainer.state import Run

COMPUTING = ("torchvision", "numpy")  # what numbers come from besides torch: networks, draws

# What a configuration holds that moves no number of the result: paths, logging, worker counts.
UNRELATED = ("name", "checkpoint", "plugins", "device")

UNRELATED_DATA = ("root", "workers", "resident_share")

UNRELATED_STRATEGY = ("start_timeout", "timeout", "processes")


@functools.cache
def sources_digest(plugins: tuple[str, ...]) -> str:
    """Return the SHA-256 of the sources of this program and of plugins, as they were when this
    process first asked: those that it runs."""
    total = hashlib.sha256()
    folders = [PACKAGE, *(Path(importlib.import_module(p).__file__ or ".").parent for p in plugins)]
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            total.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


def related(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plain configuration without what moves no number of the result."""
    tree = {k: v for k, v in config.items() if k not in UNRELATED}
    for part, unrelated in (("data", UNRELATED_DATA), ("strategy", UNRELATED_STRATEGY)):
        tree[part] = {k: v for k, v in tree[part].items() if k not in unrelated}
    return tree


def result_key(
    config: Mapping[str, Any],
    *,
    fingerprint: str,
    weights: Mapping[str, str],
    device: str,
    precision: str,
    sources: str,
    world_size: int = 1,
    across: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the SHA-256 of everything that determines a result.

    Args:
        config: the plain configuration.
        fingerprint: of the images.
        weights: SHA-256 of those that were read, by the key that names where from.
        device: kind of the device.
        precision: as resolved on it.
        sources: digest of the sources.
        world_size: processes; of one number of them the bits are those of no other.
        across: differences that the run was resumed across; none for one that is exact.
    """
    tree = related(config)
    for key, sha256 in weights.items():  # whatever path they had
        group, _, name = key.rpartition(".")
        tree = {**tree, group: {**tree[group], name: sha256}} if group else {**tree, key: sha256}
    what: list[Any] = [tree, fingerprint, device, precision, sources]
    what += [torch.__version__, *(importlib.metadata.version(name) for name in COMPUTING)]
    if world_size > 1:
        what.append({"world_size": world_size})
    if across:
        what.append(list(across))
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


class Identity:
    """What a run is known by, in its summary and in every checkpoint.

    Args:
        order: what to run.
        run: its live parts.
        source: the images it was built from.

    Attributes:
        order: as given.
        lineage: what else determines the result: `forked_from`, the run, step and key it was forked
            from; `resumed_across`, the differences that `resume_allow` accepted. Empty for most.
    """

    def __init__(self, request: RunRequest, run: Run, source: Source) -> None:
        self.request, self.run, self.source = request, run, source
        self.sources = sources_digest(request.config.plugins)
        self.lineage: dict[str, Any] = {}

    @property
    def key(self) -> str:
        """Says when two runs must agree."""
        across = self.lineage.get("resumed_across", ())
        return key_of(
            self.run, self.request.config, self.source, sources=self.sources, across=across
        )

    def facts(self) -> dict[str, Any]:
        """Return what `summary.json` says besides results."""
        return {
            "key": self.key,
            **self.lineage,
            **facts_of(self.run, self.request.config, self.source),
        }

    def manifest(self) -> dict[str, Any]:
        """Return what the manifest of a checkpoint says besides its files."""
        return {**self.facts(), "sources": self.sources, "config": self.request.config.plain()}


def facts_of(run: Run, config: RunConfig, source: Source) -> dict[str, Any]:
    """Return where and with what a run is made: for its summary and its checkpoints."""
    return {
        "data": {"name": config.data.name, "fingerprint": source.fingerprint},
        "label_noise": asdict(run.data.noise) if run.data.noise else None,
        "versions": provenance.versions(),
        "host": provenance.host(),
        "device": provenance.device_name(run.device),
        "precision": run.precision.name,
        "threads": config.threads,
        "strategy": config.plain()["strategy"]["name"],
        "world_size": run.strategy.world.size,
        **({"weights_read": run.weights_read} if run.weights_read else {}),
    }


def key_of(
    run: Run,
    config: RunConfig,
    source: Source,
    *,
    sources: str,
    across: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return what says when two runs must agree.

    Args:
        run: its live parts.
        config: what was chosen.
        source: the images.
        sources: digest of the program's own.
        across: differences that it was resumed across.
    """
    return result_key(
        config.plain(),
        fingerprint=source.fingerprint,
        weights=run.weights_read,
        device=run.device.type,
        precision=run.precision.name,
        sources=sources,
        world_size=run.strategy.world.size,
        across=across,
    )
