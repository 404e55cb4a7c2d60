"""What optimizers of our own share: a step group by group, on lists of tensors, without a
synchronisation of the device."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch

Tensors = list[torch.Tensor]


class ByGroup(torch.optim.Optimizer):
    """An optimizer whose step is `move`, once for each group.

    Its state is plain: tensors like the parameters, and whole numbers.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient; others keep weight and state."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if weights:
                self.move(group, weights, [p.grad for p in weights])
        return loss

    @abstractmethod
    def move(self, group: dict[str, Any], weights: Tensors, gradients: Tensors) -> None:
        """Take a step with the settings of one group, in place."""

    def slot(self, weights: Tensors, name: str) -> Tensors:
        """Return the tensors that the state holds under a name, zeros before the first step."""
        states = [self.state[weight] for weight in weights]
        for weight, state in zip(weights, states, strict=True):
            if name not in state:
                state[name] = torch.zeros_like(weight)
        return [state[name] for state in states]

    def count(self, weights: Tensors) -> list[int]:
        """Return the number of each weight's step, from 1, this one included."""
        for weight in weights:
            self.state[weight]["step"] = self.state[weight].get("step", 0) + 1
        return [self.state[weight]["step"] for weight in weights]

    def adam(self, group: dict[str, Any], weights: Tensors, gradients: Tensors) -> Tensors:
        """Return Adam's direction, the corrected mean over the root of the corrected mean square.

        "Adam: A Method for Stochastic Optimization", arXiv:1412.6980, with the `betas` and `eps`
        of the group.
        """
        (one, two), steps = group["betas"], self.count(weights)
        means, squares = self.slot(weights, "mean"), self.slot(weights, "square")
        torch._foreach_lerp_(means, gradients, 1.0 - one)
        torch._foreach_mul_(squares, two)
        torch._foreach_addcmul_(squares, gradients, gradients, 1.0 - two)
        scales = torch._foreach_div(squares, [1.0 - two**t for t in steps])
        torch._foreach_sqrt_(scales)
        torch._foreach_add_(scales, group["eps"])
        torch._foreach_mul_(scales, [1.0 - one**t for t in steps])
        return list(torch._foreach_div(means, scales))


def decay(group: dict[str, Any], weights: Tensors) -> None:
    """Shrink weights by `lr * weight_decay`, apart from the gradient, in place."""
    if group["weight_decay"]:
        torch._foreach_mul_(weights, 1.0 - group["lr"] * group["weight_decay"])


def norms(tensors: Tensors) -> torch.Tensor:
    """Return the L2 norm of each of N tensors: (N,)."""
    return torch.stack(torch._foreach_norm(tensors))


def scale_each(tensors: Tensors, factors: torch.Tensor) -> None:
    """Multiply each of N tensors by its factor (N,), in place."""
    torch._foreach_mul_(tensors, list(factors.unbind()))
