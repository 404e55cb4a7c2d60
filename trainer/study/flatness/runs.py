"""The weights that a study of flatness compares, and the network and images of their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from trainer.checkpoint import format as checkpoint
from trainer.checkpoint.weights import Weights, read_weights
from trainer.composition.compose import compose_overrides
from trainer.composition.replay import read_recorded
from trainer.composition.search_path import load_plugins
from trainer.config.run_config import parse
from trainer.core.environment import World
from trainer.core.errors import ConfigError
from trainer.core.weights_source import Origin
from trainer.core.yaml_files import flat, leaf
from trainer.model import put_weights
from trainer.record.runs import read_summary
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.run.identity import facts_of
from trainer.state import Run

WHICH = ("first", "second", "third")

# What a study needs nothing of, and what may not be there any more (a teacher, other weights).
REPLACED = ("average=none", "mix=none", "loss=cross_entropy", "strategy=auto", "init_from=null")

NO_MATTER = ("outputs", "data.root", "data.workers", "data.resident_share")


@dataclass(frozen=True)
class Corner:
    """One of the weight vectors that are compared.

    Attributes:
        label: its name in pictures.
        place: where it was read, as the command line says it.
        run: folder of its run.
        recorded: that run's configuration, plain.
        weights: as read.
        sha256: of the weights.
    """

    label: str
    place: str
    run: Path
    recorded: Mapping[str, Any]
    weights: Mapping[str, torch.Tensor]
    sha256: str


@dataclass(frozen=True)
class Machine:
    """Where a study runs; None leaves it as the run recorded it, or as the machine has it.

    Attributes:
        root: folder of the data sets.
        device: as the key `device` takes it.
        threads: of computation on a CPU.
        plugins: modules with the user's own components.
    """

    root: str | None = None
    device: str = "auto"
    threads: int | None = None
    plugins: tuple[str, ...] = ()

    def overrides(self) -> list[str]:
        """Return what a command line would say."""
        overrides = [f"device={self.device}"]
        overrides += [f"data.root={self.root}"] if self.root is not None else []
        return [*overrides, f"threads={'auto' if self.threads is None else self.threads}"]


def read_corners(places: Sequence[str], labels: Sequence[str] = ()) -> list[Corner]:
    """Return the weights at two or three places; one run alone stands for its last weights and
    its averaged ones.

    Args:
        places: runs (`<run>`, `<run>@average`, `<run>@<step>`) or checkpoints' folders.
        labels: their names; where none are given, what the weights are.

    Raises:
        NotFound: if there is no such run or checkpoint.
        ConfigError: if a run has no averaged weights, or the runs do not belong together.
    """
    if len(places) == 1:
        places = [places[0], f"{places[0]}@average"]
    corners = [read_corner(*pair) for pair in zip(WHICH, places, strict=False)]
    for number, corner in enumerate(corners[1:], 1):
        check_belongs(WHICH[number], corner, corners[0])
    if labels and len(labels) != len(corners):
        raise ConfigError(f"--labels: {len(labels)} names for {len(corners)} weights")
    names = list(labels) or [c.label for c in corners]
    if len(set(names)) < len(names):
        names = [f"{name} ({which})" for name, which in zip(names, WHICH, strict=False)]
    return [replace(corner, label=name) for name, corner in zip(names, corners, strict=True)]


def read_corner(which: str, place: str) -> Corner:
    """Return the weights at one place, labelled by what they are."""
    origin = Origin.parse(place, which)
    if origin.path is None or origin.path.is_file():
        raise ConfigError(f"{which}={place}: a run's folder or a checkpoint's, not a weights file")
    path = origin.path
    is_checkpoint = path.parent.name == "checkpoints" and checkpoint.NAME.fullmatch(path.name)
    run = path.parent.parent if is_checkpoint else path
    recorded = read_recorded(run)
    found: Weights = read_weights(which, origin, recorded.get("model", {}))
    step = path.name.removeprefix("step-").lstrip("0") if is_checkpoint else origin.which
    return Corner(label_of(step, recorded), place, run, recorded, found.tensors, found.sha256)


def label_of(which: str, recorded: Mapping[str, Any]) -> str:
    """Return what weights are, in a word: `SGD`, `SWA`, `step 1200`."""
    if which == "average":
        return str(recorded["average"]["name"]).split("_")[0].upper()
    if which == "last":
        return str(recorded["optim"]["name"]).upper()
    return f"step {which}" if which.isdecimal() else which


def check_belongs(which: str, corner: Corner, first: Corner) -> None:
    """Raise ConfigError unless a run has the network and the images of the first."""
    for group in ("model", "data"):
        mine, theirs = corner.recorded[group], first.recorded[group]
        for key in dict.fromkeys((*flat(theirs), *flat(mine))):
            name = f"{group}.{key}"
            values = [leaf(t, key) if key in flat(t) else "absent" for t in (mine, theirs)]
            if values[0] != values[1] and name not in NO_MATTER:
                raise ConfigError(
                    f"{which}={corner.place}: {name}={values[0]}, but the first run has "
                    f"{name}={values[1]}: only weights of one network on the same images can be "
                    "compared"
                )


def assembled(corner: Corner, machine: Machine) -> tuple[Run, dict[str, Any]]:
    """Return a run's network, with these weights, and its images, in float32 (float64 where it
    trained in that), and facts about both and the machine.

    Raises:
        ConfigError: if the machine does not allow it, or the images are others now.
        DataError: if images are missing or damaged.
    """
    trained_in = corner.recorded["precision"]["name"]
    overrides = [*REPLACED, f"precision={'fp64' if trained_in == 'fp64' else 'fp32'}"]
    sources = load_plugins(machine.plugins)
    composed = compose_overrides([*overrides, *machine.overrides()], sources, corner.recorded)
    config = parse(composed.cfg, plugins=machine.plugins)
    run, context = assemble(config, *prepare(config, World()), is_resumed=True)
    source = context.source
    before = (read_summary(corner.run).get("data") or {}).get("fingerprint", source.fingerprint)
    if before != source.fingerprint:
        raise ConfigError(
            f"{corner.place}: this run was trained on other images or classes (fingerprint "
            f"{str(before)[:12]}) than are there now ({source.fingerprint[:12]})"
        )
    put_weights(run.model, corner.weights)
    return run, facts_of(run, context.config, source)
