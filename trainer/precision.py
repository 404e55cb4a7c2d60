"""Number formats, and the one place where an optimizer step is taken."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

import torch
from torch import nn

PRECISIONS = ("fp32", "fp64", "bf16", "auto")


class Precision:
    """What the weights are stored in and what forward and backward compute in.

    Args:
        name: `fp32`; `fp64`; `bf16` (float32 weights, bfloat16 matrix products by autocast); `auto`
            (bf16 where the hardware computes in it, else fp32).
        device: where the model trains.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.name = resolve(name, device)
        self.device = device
        self.dtype = torch.float64 if self.name == "fp64" else torch.float32
        self.autocast_dtype = torch.bfloat16 if self.name == "bf16" else None
        self.scales_loss = False

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which the forward pass and the loss are computed."""
        if self.autocast_dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast_dtype)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of a loss () to the parameters' gradients."""
        loss.backward()  # type: ignore[no-untyped-call]

    def step(
        self,
        optimizer: torch.optim.Optimizer,
        gradients: Callable[[], None],
        clip: Callable[[Iterable[nn.Parameter]], object],
    ) -> bool:
        """Take one optimizer step: gradients, clip, step.

        Args:
            optimizer: moves the weights.
            gradients: computes the gradient of the whole window.
            clip: bounds it.

        Returns:
            Whether the weights moved.
        """
        optimizer.zero_grad(set_to_none=True)
        gradients()
        clip(p for group in optimizer.param_groups for p in group["params"])
        optimizer.step()
        return True


def resolve(name: str, device: torch.device) -> str:
    """Return the precision that `auto` means on a device, any other name as it is."""
    if name != "auto":
        return name
    if device.type == "cuda":
        gains = torch.cuda.is_bf16_supported(including_emulation=False)
    else:  # without these instructions bfloat16 products are emulated, slower than float32
        gains = device.type == "cpu" and (
            torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
    return "bf16" if gains else "fp32"
