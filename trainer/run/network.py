"""A trained network in use: its weights, what its outputs are called, and how images become its
numbers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import nn

from trainer.augment import Views
from trainer.checkpoint.load_into import fit_weights
from trainer.checkpoint.weights import Weights
from trainer.config.groups import parse_group
from trainer.core.errors import ConfigError
from trainer.core.file_kinds import joined
from trainer.data import Batch, Normalize, Source
from trainer.run.device import layout_for, place
from trainer.run.identity import images_of

SHOWN = 5  # classes that a line names

log = logging.getLogger("trainer")


@dataclass(frozen=True)
class Network:
    """A trained network, and what is needed to use it.

    Attributes:
        model: in evaluation mode; takes normalised images (B, C, H, W) and returns logits (B, K).
        classes: (K,) names of its outputs.
        mean: (C,) per channel of the images that it was trained on, in [0, 1].
        std: (C,) standard deviation, likewise.
        image_shape: (C, H, W) of an image.
        label: where it comes from, as users write it.
        bits: that grey values of 16 bits use, where its images were such.
    """

    model: nn.Module
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_shape: tuple[int, int, int]
    label: str
    bits: int = 16

    @cached_property
    def normalize(self) -> Normalize:
        """What brings stored images to the network's numbers."""
        weight = next(self.model.parameters())
        return Normalize.of(
            self.mean,
            self.std,
            device=weight.device,
            dtype=torch.promote_types(weight.dtype, torch.float32),
            memory_format=layout_for(self.model),
        )

    def logits(self, images: torch.Tensor, views: Views | None = None) -> torch.Tensor:
        """Return the logits (B, K) of stored images.

        Args:
            images: (B, C, H, W) in [0, 255], as uint8 or floating point.
            views: asks the model about a batch; the images as they are by default.
        """
        shape = tuple(images.shape[1:])
        if shape != self.image_shape:
            raise ConfigError(f"{self.label}: images are {shape}, not {self.image_shape}")
        labels = torch.zeros(len(images), dtype=torch.int64)
        ready = self.normalize(Batch(images, labels, len(self.classes))).images
        with torch.inference_mode():
            logits: torch.Tensor = views(self.model, ready) if views else self.model(ready)
        return logits

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the probabilities (B, K) of stored images, as `logits` takes them."""
        return self.logits(images).float().softmax(1)

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.model.parameters())
        channels, height, width = self.image_shape
        return (
            f"Network({self.label}: {count:,} parameters, {channels}x{height}x{width} images, "
            f"{len(self.classes)} classes: {joined(self.classes, SHOWN)})"
        )


def network_of(
    weights: Weights,
    model: Mapping[str, Any],
    source: Callable[[], Source],
    *,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> Network:
    """Return the network that weights are of, ready to be asked.

    Args:
        weights: as read.
        model: the plain configuration of the network, where a file does not say it.
        source: gives the images, for what neither run nor file recorded.
        device: where it computes.
        dtype: of its weights; float32 by default, float64 where they are.

    Raises:
        ConfigError: if the network is not known, or the weights do not fit it.
        DataError: if a weight is not finite.
    """
    images = facts_of_images(weights, source)
    shape = tuple(int(side) for side in images["shape"])
    assert len(shape) == 3
    classes = weights.classes or trusted_classes(weights, source())
    try:
        component = parse_group("model", weights.model or model).component
    except ConfigError as error:
        raise ConfigError(f"{weights.label}: its network is not known here: {error}") from error
    build = partial(component.build, shape)
    with torch.random.fork_rng(devices=[]):  # its first weights are thrown away
        network = build(len(classes))
    fit_weights(network, weights, len(classes), new_head=False)
    if dtype is None:
        is_double = any(t.dtype == torch.float64 for t in weights.tensors.values())
        dtype = torch.float64 if is_double else torch.float32
    network = place(network, device, dtype).requires_grad_(False).eval()
    mean, std = (tuple(float(value) for value in images[name]) for name in ("mean", "std"))
    bits = int(images.get("bits", 16))
    return Network(network, classes, mean, std, shape, str(weights.origin), bits)


def facts_of_images(weights: Weights, source: Callable[[], Source]) -> Mapping[str, Any]:
    """Return shape, mean and std of the images that a network was trained on."""
    if weights.images is not None:
        return weights.images
    found = source()
    trained_on = (weights.data or {}).get("fingerprint")
    if trained_on not in (None, found.fingerprint):
        raise ConfigError(
            f"{weights.label}: an older version recorded neither mean nor deviation of its images, "
            "and these are others: name that run's own data"
        )
    return images_of(found)


def trusted_classes(weights: Weights, source: Source) -> tuple[str, ...]:
    """Return the classes of images for weights that name none; one line says so."""
    log.info(
        "%s: its outputs are taken to be the classes of these images, in this order: %s",
        *(weights.label, joined(source.classes, SHOWN)),
    )
    return source.classes
