"""Number formats of a run, and the one place where an optimizer step is taken."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from trainer.core.errors import Diverged
from trainer.precision.formats import (
    FORMATS,
    LossScale,
    PrecisionChoice,
    check_device,
    set_fp32_precision,
)
from trainer.precision.half_copy import HalfCopy, HalfPairs

# A mean loss needs no scale below 1: gradients that overflow float16 unscaled are lost anyway.
LEAST_SCALE = 1.0


class Precision:
    """Types of the weights and of the forward and backward passes.

    Args:
        name: one of `formats.FORMATS`.
        device: where the model trains.
        loss_scale: keys of the dynamic loss scale, where the name has one.

    Attributes:
        name: as given.
        dtype: of the weights.
        wide_dtype: of images, losses and sums: that of the weights, but at least float32.
    """

    def __init__(
        self, name: str, device: torch.device, loss_scale: LossScale | None = None
    ) -> None:
        self.name = name
        self.device = device
        self.format = FORMATS[self.name]
        self.dtype = self.format.weights
        self.wide_dtype = torch.promote_types(self.dtype, torch.float32)
        self.pairs = HalfPairs()
        self.scales_loss = self.format.scales_loss
        keys = loss_scale or LossScale()
        self.scaler = torch.amp.GradScaler(
            device.type,
            init_scale=keys.init_scale,
            growth_interval=keys.growth_interval,
            enabled=self.scales_loss,
        )
        self.scale = self.scaler.get_scale()  # 1 where nothing is scaled

    @property
    def loss_scale(self) -> float | None:
        """Return the factor that the next loss is scaled by, or None where none is."""
        return self.scale if self.scales_loss else None

    def prepare_for_training(self, model: nn.Module) -> nn.Module:
        """Return the module for the training passes of a model: itself, or its float16 copy."""
        if not self.format.has_half_copy:
            return model
        halves = HalfCopy(model)
        self.pairs = halves.pairs
        return halves

    def prepare_for_inference(self, model: nn.Module) -> nn.Module:
        """Return the module for the passes of a model that is not trained, such as a teacher."""
        return HalfCopy(model) if self.format.has_half_copy else model

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which the forward pass and the loss are computed."""
        if self.format.autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.format.autocast)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of a loss (), scaled, to the parameters' gradients."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(
        self,
        optimizer: torch.optim.Optimizer,
        gradients: Callable[[], None],
        clip: Callable[[Iterable[nn.Parameter]], object],
    ) -> bool:
        """Take one optimizer step: gradients, unscale, clip, step. A float16 copy is brought up to
        date before, and its gradients are copied to the model.

        If the loss is scaled and a gradient is not finite, there is no step: neither weights nor
        the optimizer's state change, and the scale is halved.

        An optimizer whose `step` requires a closure finds the gradients in place. The closure
        replaces them by those at the weights as they are then, and returns nothing; where a loss
        scale made them overflow there are none.

        Args:
            optimizer: moves the weights.
            gradients: computes the gradient of the whole step.
            clip: bounds the unscaled gradient.

        Returns:
            Whether the weights moved.
        """

        def fill() -> bool:
            optimizer.zero_grad(set_to_none=True)
            self.pairs.copy_from_masters()
            with torch.enable_grad():
                gradients()
            self.pairs.copy_to_masters()
            self.scaler.unscale_(optimizer)
            if not self.are_finite():
                return False
            clip(p for group in optimizer.param_groups for p in group["params"])
            return True

        def closure() -> None:
            if not fill():
                optimizer.zero_grad(set_to_none=True)

        if not fill():
            return False
        if needs_closure(optimizer):
            optimizer.step(closure)  # type: ignore[arg-type]  # it returns no loss
        else:
            optimizer.step()
        return True

    def are_finite(self) -> bool:
        """Update the loss scale, and return whether the gradients just unscaled are finite.

        This is the one synchronisation that a loss scale costs. The scale is updated before the
        step, not after it as in torch's recipe: `GradScaler.step` calls a fused optimizer even for
        a step that is skipped, and fused SGD then keeps a momentum that was never filled.
        """
        before = self.scale
        self.scaler.update()
        self.scale = self.scaler.get_scale()
        return self.scale >= before

    def check_scale(self, step: int) -> None:
        """Raise Diverged after a skipped step, if skipping has brought the scale below 1."""
        if self.scale < LEAST_SCALE:
            raise Diverged(
                step,
                "gradient",
                f" at any loss scale: steps were skipped until it fell to {self.scale:g}",
            )

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep: the loss scale; empty where nothing is scaled."""
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the loss scale of a checkpoint."""
        self.scaler.load_state_dict(state)
        self.scale = self.scaler.get_scale()


def needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether `step` must be given a closure, as that of `torch.optim.LBFGS`."""
    return step_takes_closure(type(optimizer).step)


@functools.cache
def step_takes_closure(step: Callable[..., object]) -> bool:
    """Return whether a method `step` has a closure without a default."""
    closure = inspect.signature(step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


def build_precision(choice: PrecisionChoice, device: torch.device) -> Precision:
    """Return the chosen precision, and set the float32 products of this process to match.

    Raises:
        ConfigError: if the device does not support it.
    """
    check_device(choice.name, device)
    precision = Precision(choice.name, device, choice.loss_scale)
    set_fp32_precision(precision.format.fp32_precision)
    return precision
