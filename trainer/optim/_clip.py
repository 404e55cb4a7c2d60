"""Bounds on gradients."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from trainer.core.errors import ConfigError
from trainer.optim._kinds import kinds_of

LEAST_NORM = 1e-3  # of weights, so that those that begin at zero may leave it (arXiv:2102.06171)


@dataclass(frozen=True)
class Clip:
    """Bounds on the gradient of a whole step, applied in this order: adaptive, norm, value.

    By norm: "On the difficulty of training Recurrent Neural Networks", arXiv:1211.5063.

    Attributes:
        norm: greatest global L2 norm, or None.
        value: greatest absolute value of any element, or None.
        adaptive: greatest norm of a unit's gradient as a share of its weights' norm, or None.
        spared: parameters that adaptive clipping leaves alone.
    """

    norm: float | None = None
    value: float | None = None
    adaptive: float | None = None
    spared: frozenset[nn.Parameter] = frozenset()

    def __call__(self, parameters: Iterable[nn.Parameter], measure: bool) -> torch.Tensor | None:
        """Clip the gradients in place.

        Args:
            parameters: those of the optimizer.
            measure: whether the norm is wanted even where nothing is clipped by it.

        Returns:
            The global norm () before any clipping, or None where it was neither wanted nor needed.
        """
        with_gradient = [p for p in parameters if p.grad is not None]
        gradients = [p.grad for p in with_gradient if p.grad is not None]
        total = None
        if measure or self.norm is not None:
            total = nn.utils.get_total_norm(gradients)
        if self.adaptive is not None:
            clip_adaptively((p for p in with_gradient if p not in self.spared), self.adaptive)
        if self.norm is not None and total is not None:
            present = total if self.adaptive is None else nn.utils.get_total_norm(gradients)
            nn.utils.clip_grads_with_norm_(with_gradient, self.norm, present)
        if self.value is not None:
            nn.utils.clip_grad_value_(with_gradient, self.value)
        return total


def build_clip(
    model: nn.Module, *, norm: float | None, value: float | None, adaptive: float | None
) -> Clip:
    """Return the bounds for a model, whose last layer adaptive clipping leaves alone.

    Raises:
        ConfigError: if it has no other layer.
    """
    last = frozenset(p for p, kinds in kinds_of(model).items() if "last" in kinds)
    if adaptive is not None and all(p in last for p in model.parameters()):
        raise ConfigError(
            f"clip_adaptive={adaptive} leaves the last layer alone, and this model has no other: "
            "use clip_norm"
        )
    return Clip(norm, value, adaptive, last)


def clip_adaptively(parameters: Iterable[nn.Parameter], bound: float) -> None:
    """Shorten each unit's gradient G to at most `bound` * max(||W||, 0.001), W its weights.

    "High-Performance Large-Scale Image Recognition Without Normalization", arXiv:2102.06171,
    section 4 (AGC). A unit is what makes one output: a row of a linear layer's weights, a filter of
    a convolution's. As in the authors' code, a vector (a bias, a norm's scale) is one unit.
    """
    for parameter in parameters:
        if parameter.grad is None:
            continue
        weights, gradients = unit_norms(parameter.detach()), unit_norms(parameter.grad)
        factors = (bound * weights.clamp(min=LEAST_NORM) / gradients).clamp(max=1.0)
        parameter.grad.mul_(factors.to(parameter.grad.dtype))


def unit_norms(tensor: torch.Tensor) -> torch.Tensor:
    """Return the L2 norm of every unit, of a shape that broadcasts over the tensor; float32 at
    least, where squares of halves would overflow."""
    dimensions = tuple(range(1, tensor.ndim)) if tensor.ndim >= 2 else None
    dtype = torch.promote_types(tensor.dtype, torch.float32)
    norms: torch.Tensor = torch.linalg.vector_norm(
        tensor, dim=dimensions, keepdim=dimensions is not None, dtype=dtype
    )
    return norms
