"""Trained weights whose outputs are put in another run's order of classes, by name."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from trainer.checkpoint.weights import Weights
from trainer.core.errors import ConfigError
from trainer.core.file_kinds import joined
from trainer.data import Source

SHOWN = 5  # classes that a line names

Build = Callable[[int], nn.Module]  # a network of so many classes

log = logging.getLogger("trainer")


def class_axes(build: Build, num_classes: int) -> dict[str, int]:
    """Return which axis of which tensors is that of the classes: what another number of them makes
    longer. The networks that are compared have no memory and draw nothing."""
    with torch.device("meta"):
        few, more = (build(number).state_dict() for number in (num_classes, num_classes + 1))
    return {
        name: next(i for i, size in enumerate(tensor.shape) if size != more[name].shape[i])
        for name, tensor in few.items()
        if tensor.shape != more[name].shape
    }


def put_in_order(
    weights: Weights, model: nn.Module, source: Source, build: Build, *, may_be_new: bool
) -> Weights:
    """Return weights whose outputs are this run's classes, found by name; one line says what was
    moved, or what is taken on trust.

    A class that the weights do not know keeps the model's own values. Where a run was trained on
    these very images its outputs are right, whatever the classes were called. Weights for another
    number of classes stay as they are: `fit_weights` leaves the last layer out.

    Raises:
        ConfigError: if classes are missing that may not, or the weights have another number of
            outputs than names.
    """
    known, wanted = weights.classes, source.classes
    is_same = known == wanted or (weights.data or {}).get("fingerprint") == source.fingerprint
    if is_same or (known is not None and len(known) != len(wanted)):
        return weights
    axes = class_axes(build, len(wanted))
    if known is None or not axes:
        own = model.state_dict()
        if all(n in weights.tensors and weights.tensors[n].shape == own[n].shape for n in axes):
            log.info(
                "%s: its outputs are taken to be this run's classes in this order: %s",
                *(weights.label, joined(wanted, SHOWN)),
            )
        return weights
    missing = [name for name in wanted if name not in known]
    if missing and not may_be_new:
        raise ConfigError(
            f"{weights.label}: these weights know the classes {joined(known, SHOWN)}, and not "
            f"{joined(missing, SHOWN)}; a teacher must know the classes that it teaches"
        )
    log.info("%s: %s", weights.label, in_words(axes, known, wanted))
    rows = {wanted.index(name): known.index(name) for name in known if name in wanted}
    own = model.state_dict()
    moved = {
        name: reordered(own[name], weights, name, axis, rows)
        for name, axis in axes.items()
        if name in weights.tensors
    }
    return replace(weights, tensors={**weights.tensors, **moved})


def in_words(axes: Mapping[str, int], known: Sequence[str], wanted: Sequence[str]) -> str:
    """Return in words what becomes of the last layer."""
    layer = next(iter(axes)).rpartition(".")[0]
    common = [name for name in wanted if name in known]
    new = [name for name in wanted if name not in known]
    left = [name for name in known if name not in wanted]
    if not common:
        return (
            f"the last layer ({layer}) is new: no class of this run is among those of the weights, "
            f"{joined(known, SHOWN)}"
        )
    parts = [f"takes {joined(common, SHOWN)} by name"]
    parts += [f"has {joined(new, SHOWN)} new"] if new else []
    parts += [f"leaves out {joined(left, SHOWN)}"] if left else []
    return f"the last layer ({layer}) {', '.join(parts)}"


def reordered(
    own: torch.Tensor, weights: Weights, name: str, axis: int, rows: Mapping[int, int]
) -> torch.Tensor:
    """Return a tensor of the last layer for this run's classes: the model's own values, but in the
    rows that the weights have, given by place in the model, theirs."""
    given, known = weights.tensors[name], weights.classes or ()
    expected = [*own.shape[:axis], len(known), *own.shape[axis + 1 :]]
    if list(given.shape) != expected:
        raise ConfigError(
            f"{weights.label}: these weights do not fit the model: {name} {tuple(given.shape)} for "
            f"{tuple(expected)}, that of their {len(known)} classes"
        )
    taken = own.detach().cpu().to(given.dtype, copy=True)
    for mine, theirs in rows.items():
        taken.select(axis, mine).copy_(given.select(axis, theirs))
    return taken
