"""Weights that were trained before, put into a model that they fit, or into a teacher of one."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from trainer.checkpoint.by_class import Build, put_in_order
from trainer.checkpoint.weights import Weights
from trainer.config.groups import parse_group
from trainer.core.errors import ConfigError, DataError
from trainer.data import Source
from trainer.model import put_weights

log = logging.getLogger("trainer")

SHOWN = 6  # names listed of each kind of misfit


def start_from(model: nn.Module, weights: Weights, source: Source, build: Build) -> None:
    """Put weights into a model that is about to be trained; one line says what becomes of the last
    layer where that is for other classes.

    Raises:
        ConfigError: naming what differs in name or shape.
        DataError: if a value is not finite.
    """
    weights = put_in_order(weights, model, source, build, may_be_new=True)
    num_classes = len(source.classes)
    head = fit_weights(model, weights, num_classes, new_head=True)
    if head:
        before = next(len(t) for n, t in weights.tensors.items() if n.rpartition(".")[0] == head)
        log.info(
            "%s: the last layer (%s) is new, for %d classes instead of %d",
            *(weights.label, head, num_classes, before),
        )


def fit_weights(model: nn.Module, weights: Weights, num_classes: int, *, new_head: bool) -> str:
    """Put weights into a model, in its number format: all or none, but for a last layer of another
    number of classes where `new_head` is true.

    Returns:
        The name of the layer that was left as it is; empty where all were taken.

    Raises:
        ConfigError: naming what differs in name or shape.
        DataError: if a value is not finite, or not in the model's number format.
    """
    own, given = model.state_dict(), dict(weights.tensors)
    for name in own:  # a counter that weights of before 2018 do not have
        if name.endswith("num_batches_tracked"):
            given.setdefault(name, own[name])
    differing = [n for n in own if n in given and not is_like(own[n], given[n])]
    head = head_of(own, given, differing, num_classes) if new_head else ""
    if head:
        given = {n: t for n, t in given.items() if n.rpartition(".")[0] != head}
        own = {n: t for n, t in own.items() if n.rpartition(".")[0] != head}
        differing = []
    if differing or set(own) != set(given):
        raise ConfigError(
            f"{weights.label}: these weights do not fit the model: "
            + "; ".join(misfits(own, given, differing))
        )
    taken = {name: given[name].to(tensor.dtype) for name, tensor in own.items()}
    for name, tensor in taken.items():
        if not bool(tensor.isfinite().all()):
            raise DataError(f"{weights.label}: {name} holds values that are not finite")
    put_weights(model, {**model.state_dict(), **taken})
    return head


def is_like(own: torch.Tensor, given: torch.Tensor) -> bool:
    """Return whether a tensor can take another's values."""
    return own.shape == given.shape and own.is_floating_point() == given.is_floating_point()


def head_of(
    own: Mapping[str, torch.Tensor],
    given: Mapping[str, torch.Tensor],
    differing: list[str],
    num_classes: int,
) -> str:
    """Return the one layer in which alone they differ, and in nothing but the number of classes;
    empty where there is none such."""
    layers = {name.rpartition(".")[0] for name in differing}
    is_width = all(
        own[n].ndim == given[n].ndim >= 1
        and len(own[n]) == num_classes
        and own[n].shape[1:] == given[n].shape[1:]
        and own[n].is_floating_point() == given[n].is_floating_point()
        for n in differing
    )
    return layers.pop() if len(layers) == 1 and is_width else ""


def misfits(
    own: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor], differing: list[str]
) -> list[str]:
    """Return in words what differs, each list shortened."""
    shapes = [f"{n} {tuple(given[n].shape)} for {tuple(own[n].shape)}" for n in differing]
    kinds = {
        "missing": sorted(set(own) - set(given)),
        "not in the model": sorted(set(given) - set(own)),
        "of another shape or type": shapes,
    }
    return [
        f"{kind}: {', '.join(names[:SHOWN])}"
        + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        for kind, names in kinds.items()
        if names
    ]


class Teachers:
    """Gives a run's loss the networks that its configuration names, and what it asks of the images;
    see `loss.base.Trained`.

    Args:
        weights: as read, by key.
        source: the images of this run.
        place: puts a network where and as the run computes.
        class_counts: images of each class that an epoch trains on.
    """

    def __init__(
        self,
        weights: Mapping[str, Weights],
        source: Source,
        place: Callable[[nn.Module], nn.Module],
        class_counts: Sequence[int],
    ) -> None:
        self.weights, self.source, self.place = weights, source, place
        self.classes, self.class_counts = source.classes, class_counts

    def network(self, key: str, name: str | None, args: Mapping[str, Any] | None) -> nn.Module:
        """Return a network with the weights that a key names, in eval mode, without gradients."""
        weights = self.weights[key]
        data = weights.data or {}
        # with them classes, shape and normalisation are the same; of a file nothing is known
        if weights.model is not None and data.get("fingerprint") != self.source.fingerprint:
            raise ConfigError(
                f"{weights.label}: that run was trained on other images (data={data.get('name')}, "
                f"fingerprint {str(data.get('fingerprint'))[:12]}) than this one (fingerprint "
                f"{self.source.fingerprint[:12]}); a teacher must know the images that it teaches"
            )
        plain = weights.model if name is None else {"name": name, **(args or {})}
        try:
            component = parse_group("model", plain).component
        except ConfigError as error:
            raise ConfigError(f"{weights.label}: its network is not known here: {error}") from error
        channels, height, width = self.source.train.images.shape[1:]
        num_classes = len(self.source.classes)
        build = partial(component.build, (channels, height, width))
        with torch.random.fork_rng(devices=[]):  # its first weights are thrown away
            model = build(num_classes)
        weights = put_in_order(weights, model, self.source, build, may_be_new=False)
        fit_weights(model, weights, num_classes, new_head=False)
        return self.place(model).requires_grad_(False).eval()
