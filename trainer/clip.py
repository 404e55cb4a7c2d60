"""Bounds on gradients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Clip:
    """Bounds on the gradient of a whole step.

    Attributes:
        norm: greatest global L2 norm, or None.
        value: greatest absolute value of any element, or None.
    """

    norm: float | None = None
    value: float | None = None

    def __call__(self, parameters: Iterable[nn.Parameter], measure: bool) -> torch.Tensor | None:
        """Clip the gradients in place.

        Args:
            parameters: those of the optimizer.
            measure: whether the norm is wanted even where nothing is clipped by it.

        Returns:
            The global norm () before clipping, or None where it was neither wanted nor needed.
        """
        with_gradient = [p for p in parameters if p.grad is not None]
        gradients = [p.grad for p in with_gradient if p.grad is not None]
        total = None
        if measure or self.norm is not None:
            total = nn.utils.get_total_norm(gradients)
        if self.norm is not None and total is not None:
            nn.utils.clip_grads_with_norm_(with_gradient, self.norm, total)
        if self.value is not None:
            nn.utils.clip_grad_value_(with_gradient, self.value)
        return total
