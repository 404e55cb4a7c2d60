"""Models in float16, and float16 copies of models whose master weights are float32."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class HalfPairs:
    """Tensors of a model with their counterparts in its float16 copy; empty without a copy.

    Args:
        parameters: (master, half) each.
        buffers: likewise, of the modules that are copied.
    """

    def __init__(
        self,
        parameters: list[tuple[nn.Parameter, nn.Parameter]] | None = None,
        buffers: list[tuple[torch.Tensor, torch.Tensor]] | None = None,
    ) -> None:
        self.parameters = parameters or []
        self.buffers = buffers or []

    def copy_from_masters(self) -> None:
        """Round the masters into the copy, and drop the copy's gradients."""
        for _, half in self.parameters:
            half.grad = None
        copy_each([(master, half) for master, half in (*self.parameters, *self.buffers)])

    def copy_to_masters(self) -> None:
        """Copy the gradients of the copy, in float32, and its buffers to the masters."""
        gradients = []
        for master, half in self.parameters:
            if half.grad is not None and master.requires_grad:  # it may have been frozen since
                master.grad = torch.empty_like(master)
                gradients.append((half.grad, master.grad))
        copy_each([*gradients, *((half, master) for master, half in self.buffers)])


def copy_each(pairs: list[tuple[Any, Any]]) -> None:
    """Copy the first tensor of each pair into the second, whatever their types."""
    if pairs:
        sources, targets = zip(*pairs, strict=True)
        with torch.no_grad():
            torch._foreach_copy_(targets, sources)


class HalfCopy(nn.Module):
    """A float16 copy of a model for the training passes; the model keeps the float32 weights.

    BatchNorm is not copied but shared: it stays float32, parameters and statistics, and takes
    float16 activations. Images are cast to float16, logits back to float32, and autocast is off:
    every other operation computes in the type of its inputs.

    Args:
        model: its weights are the masters.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        norms = {id(m): m for m in model.modules() if isinstance(m, _BatchNorm)}
        kept = {id(t) for m in norms.values() for t in (*m.parameters(), *m.buffers())}
        self.net = copy.deepcopy(model, norms)  # what the memo holds is shared
        for tensor in (*self.net.parameters(), *self.net.buffers()):
            if id(tensor) not in kept and tensor.is_floating_point():
                tensor.data = tensor.data.half()
        parameters = zip(model.parameters(), self.net.parameters(), strict=True)
        buffers = zip(model.buffers(), self.net.buffers(), strict=True)
        self.pairs = HalfPairs(
            [(master, half) for master, half in parameters if master is not half],
            [(master, half) for master, half in buffers if master is not half],
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return float32 logits (B, K) of float32 images (B, C, H, W)."""
        with torch.autocast(images.device.type, enabled=False):
            logits: torch.Tensor = self.net(images.half())
        return logits.float()


def cast_inputs_and_logits(model: nn.Module) -> None:
    """Let a model accept images of any floating type and return float32 logits.

    Hooks do it, so that copies of the model do the same and the names of its weights stay.
    """
    model.register_forward_pre_hook(images_like_weights)
    model.register_forward_hook(logits_in_float32)


def images_like_weights(model: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    """Return the images in the type of the model's weights."""
    return (inputs[0].to(next(model.parameters()).dtype),)


def logits_in_float32(model: nn.Module, inputs: Any, logits: torch.Tensor) -> torch.Tensor:
    """Return the logits in float32."""
    return logits.float()
