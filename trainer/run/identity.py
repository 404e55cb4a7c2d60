"""What a run is known by: its facts, its key, and what it was before."""

import functools
import hashlib
import importlib
import importlib.metadata
import json
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import torch

import trainer.model
from trainer.checkpoint import format as checkpoint
from trainer.config.compare import decisive_values, parts
from trainer.config.run_config import RunConfig
from trainer.data import Source
from trainer.model.base import MODELS
from trainer.record import provenance
from trainer.run.import_closure import code_digest
from trainer.run.request import RunRequest
from trainer.state import Run

COMPUTING = ("torchvision", "numpy")  # what numbers come from besides torch: networks, draws

# What a configuration holds that moves no number of the result: paths, logging, worker counts.
UNRELATED = (
    *("name", "outputs", "checkpoint", "plugins", "device", "lint"),
    *("data.root", "data.labels", "data.workers", "data.resident_share"),
    *("strategy.start_timeout", "strategy.timeout", "strategy.processes"),
)

# The modules where every training begins.
TRAINING = (
    *("trainer.loop", "trainer.state"),
    *("trainer.run.assemble", "trainer.run.context", "trainer.run.device"),
)


@functools.cache  # read once for the jobs of a sweep
def version_of(package: str) -> str:
    """Return the version of a package."""
    return importlib.metadata.version(package)


def sources_of(config: RunConfig) -> str:
    """Return the SHA-256 of the code that a result depends on: what the loop, assembling, the
    chosen components and the plugins import.

    A teacher's network is known only once its run was read: then all networks count.
    """
    for name in config.plugins:  # a worker of a sweep may not need them before
        importlib.import_module(name)
    modules = {*TRAINING, *config.plugins, *(type(part).__module__ for _, part in parts(config))}
    if any("." in key for key in config.origins()):  # of a component; init_from is weights alone
        modules |= {f"trainer.model.{m.name}" for m in pkgutil.iter_modules(trainer.model.__path__)}
        modules |= {network.__module__ for network in MODELS.registered().values()}
    return code_digest(frozenset(modules))


def result_key(
    values: Mapping[str, Any],
    *,
    fingerprint: str,
    weights: Mapping[str, str],
    device: str,
    precision: str,
    sources: str,
    world_size: int = 1,
    across: Sequence[Mapping[str, Any]] = (),
    time_plan: str | None = None,
) -> str:
    """Return the SHA-256 of everything that determines a result.

    Args:
        values: of the configuration that are not neutral, by dotted key.
        fingerprint: of the images.
        weights: SHA-256 of those that were read, by the key that names where from.
        device: kind of the device.
        precision: as resolved on it.
        sources: digest of the code.
        world_size: processes; of one number of them the bits are those of no other.
        across: differences that the run was resumed across; none for one that is exact.
        time_plan: how its steps were planned, where they followed from a time.
    """
    what: list[Any] = [{**values, **weights}, fingerprint, device, precision, sources]
    what += [torch.__version__, *map(version_of, COMPUTING)]
    if any(key.startswith("metrics") for key in values):
        what.append(version_of("torchmetrics"))
    if world_size > 1:
        what.append({"world_size": world_size})
    if across:
        what.append(list(across))
    if time_plan is not None:
        what.append({"time_plan": time_plan})
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


class Identity:
    """What a run is known by, in its summary and in every checkpoint.

    Args:
        request: what to run.
        run: its live parts.
        source: the images it was built from.

    Attributes:
        request: as given.
        lineage: what else determines the result: `forked_from`, the run, step and key it was forked
            from; `resumed_across`, the differences that `resume_allow` accepted. Empty for most.
    """

    def __init__(self, request: RunRequest, run: Run, source: Source) -> None:
        self.request, self.run, self.source = request, run, source
        self.lineage: dict[str, Any] = {}

    @cached_property
    def sources(self) -> str:
        """Digest of the code."""
        return sources_of(self.request.config)

    @property
    def key(self) -> str:
        """Equal for two runs that must agree; as far as is known before the first step."""
        return self._key(None)

    def _key(self, time_plan: str | None) -> str:
        return result_key(
            decisive_values(self.request.config, UNRELATED),
            fingerprint=self.source.fingerprint,
            weights=self.run.weights_read,
            device=self.run.device.type,
            precision=self.run.precision.name,
            sources=self.sources,
            world_size=self.run.strategy.world.size,
            across=self.lineage.get("resumed_across", ()),
            time_plan=time_plan,
        )

    def final_facts(self) -> dict[str, Any]:
        """Return the facts of a run at its end, whose steps are planned: where they followed from a
        time, no other run has its key."""
        plan = (self.run.planner.facts() or {}).get("time_plan")
        return {**self.facts(), "key": self._key(plan)}

    def facts(self) -> dict[str, Any]:
        """Return what `summary.json` holds besides results."""
        facts = facts_of(self.run, self.request.config, self.source)
        return {"key": self.key, **self.lineage, **facts}

    def manifest(self) -> dict[str, Any]:
        """Return what the manifest of a checkpoint holds besides its files."""
        return {
            **self.facts(),
            checkpoint.IMAGES: images_of(self.source),
            "sources": self.sources,
            "config": self.request.config.plain(),
        }


def images_of(source: Source) -> dict[str, Any]:
    """Return what a network that was trained on images must be given: their shape (C, H, W), mean
    and standard deviation of each channel, in [0, 1], and the bits that grey values of 16 use."""
    shape = list(source.train.images.shape[1:])
    bits = source.facts.get("bits", 16)
    return {"shape": shape, "mean": list(source.mean), "std": list(source.std), "bits": bits}


def facts_of(run: Run, config: RunConfig, source: Source) -> dict[str, Any]:
    """Return where and with what a run is made: for its summary and its checkpoints."""
    return {
        "data": {"name": config.data.name, "fingerprint": source.fingerprint},
        "classes": list(source.classes),
        "label_noise": asdict(run.data.noise) if run.data.noise else None,
        "versions": provenance.versions(),
        "host": provenance.host(),
        "device": provenance.device_name(run.device),
        "precision": run.precision.name,
        "threads": config.threads,
        "strategy": config.strategy.name,
        "world_size": run.strategy.world.size,
        **({"weights_read": run.weights_read} if run.weights_read else {}),
    }
