"""What a network's forward pass costs, counted on the shapes of one image; the same on every
machine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

# Below it a second thread costs more in waiting than it takes over: each operation of a step ends
# with all threads meeting. MNIST/mlp at batch 256 (69 million) gets two, the default job (58) one.
PER_THREAD = 30_000_000

SHAPES = ((3, 32, 32), (1, 28, 28), (3, 224, 224))  # of images, where their own is not known yet
# Bound of the multiply-adds of an image, below which they are done, on zeros: for shapes alone
# torch imports its compiler, which takes a second.
MOST_DONE = 100_000_000_000


@dataclass(frozen=True)
class Work:
    """What one image costs in a forward pass.

    Attributes:
        multiply_adds: in convolutions and linear layers.
        largest_bytes: the most that one layer reads and writes, in float32.
    """

    multiply_adds: int
    largest_bytes: int


def work_of(build: Callable[[], nn.Module], image_shape: tuple[int, ...]) -> Work | None:
    """Return what a network's forward pass costs; None for one that shapes alone do not carry.

    Args:
        build: returns the network; called without storage for its weights, which draws no number.
        image_shape: of one image.
    """
    total = largest = 0

    def count(layer: nn.Module, given: tuple[Any, ...], out: Any) -> None:
        nonlocal total, largest
        tensors = [t for t in (*given, out) if isinstance(t, torch.Tensor)]
        if isinstance(layer, nn.Conv2d | nn.Linear) and isinstance(out, torch.Tensor):
            total += out.numel() * layer.weight[0].numel()
        if next(layer.children(), None) is None:
            largest = max(largest, 4 * sum(t.numel() for t in tensors))

    try:
        with torch.device("meta"):
            model = build().eval()
            for layer in model.modules():
                layer.register_forward_hook(count)
        device = "cpu" if is_quick(model, image_shape) else "meta"
        if device == "cpu":
            # `to_empty` would do it by shapes alone
            model._apply(lambda t: torch.zeros(t.shape, dtype=t.dtype))  # type: ignore[no-untyped-call]
        with torch.no_grad():
            model(torch.zeros(1, *image_shape, device=device))
    except Exception:  # code of anybody's, which may look at values
        return None
    return Work(total, largest)


def has_batch_norm(model: nn.Module) -> bool:
    """Return whether a network normalises over the images of a batch, of which it needs two."""
    return any(isinstance(layer, _BatchNorm) for layer in model.modules())


def may_have_batch_norm(build: Callable[[tuple[int, int, int], int], nn.Module]) -> bool:
    """Return whether a network has BatchNorm, asked before any image is known: on shapes that data
    sets have, without storage for weights; False where it can be built on none of them."""
    for shape in SHAPES:
        with contextlib.suppress(Exception), torch.device("meta"):  # code of anybody's
            return has_batch_norm(build(shape, 10))
    return False


def is_quick(model: nn.Module, image_shape: tuple[int, ...]) -> bool:
    """Return whether a pass of one image takes no noticeable time: it would not if each weight were
    used at each pixel."""
    weights = sum(parameter.numel() for parameter in model.parameters())
    return weights * image_shape[-1] * image_shape[-2] < MOST_DONE


def threads_for(work: Work | None, images: int, most: int) -> int:
    """Return the threads that a step is worth.

    Args:
        work: of one image.
        images: of a forward pass.
        most: threads that there is room for.
    """
    if work is None:
        return most
    return max(1, min(most, work.multiply_adds * images // PER_THREAD))
