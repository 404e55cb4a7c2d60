"""What a network's forward pass costs, counted on the shapes of one image; the same on every
machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

# Below it a second thread costs more in waiting than it takes over: each operation of a step ends
# with all threads meeting. MNIST/mlp at batch 256 (69 million) gets two, the default job (58) one.
PER_THREAD = 30_000_000


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
    except Exception:  # code of anybody's
        return None
    # on zeros, as torch imports its compiler for shapes alone; some code takes those alone
    for device in ("cpu", "meta"):
        total = largest = 0
        try:
            model = model.to_empty(device=device)
            with torch.no_grad():
                for tensor in (*model.parameters(), *model.buffers()):
                    tensor.zero_()
                model(torch.zeros(1, *image_shape, device=device))
        except Exception:  # which may look at values
            continue
        return Work(total, largest)
    return None


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
