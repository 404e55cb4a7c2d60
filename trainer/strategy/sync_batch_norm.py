"""BatchNorm over the batches of all processes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainer.core.errors import ConfigError

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def with_synced_norms(model: nn.Module) -> nn.Module:
    """Return a copy of a model whose training passes normalise over all processes.

    The copy shares every parameter and buffer with the model, which itself stays as it is: it is
    what is evaluated, averaged and saved. `torch.nn.SyncBatchNorm` on GPUs; torch has none for
    CPUs, where `SyncedNorm` does the same.

    Raises:
        ConfigError: for a model without BatchNorm, or with one whose statistics are of parts of a
            batch on purpose.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        raise ConfigError("strategy.sync_batch_norm=true has no effect: the model has no BatchNorm")
    odd = next((m for m in norms if type(m) not in PLAIN), None)
    if odd is not None:
        raise ConfigError(
            f"strategy.sync_batch_norm=true would undo the model's {type(odd).__name__}, whose "
            "statistics are of parts of a batch: choose one of them"
        )
    tensors = [*model.parameters(), *model.buffers()]
    memo: dict[int, Any] = {id(t): t for t in tensors}
    if tensors and tensors[0].device.type == "cuda":
        shared = copy.deepcopy(model, memo)
        convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
        return convert(shared).train()
    for norm in norms:
        memo[id(norm)] = SyncedNorm(norm)
    return copy.deepcopy(model, memo).train()  # it is asked in training alone


class SyncedNorm(nn.Module):
    """A BatchNorm of one process that in training counts the others' images too.

    Mean and variance are exact: the sum of squares is taken around the common mean, and gradients
    flow through both sums.

    Args:
        norm: whose parameters and buffers are used, and moved.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (B, C, ...), normalised, scaled and shifted."""
        norm = self.norm
        wide = features.to(torch.promote_types(features.dtype, torch.float32))
        axes = [i for i in range(features.ndim) if i != 1]
        shape = [1, -1] + [1] * (features.ndim - 2)
        count = wide.new_tensor([features.numel() // features.shape[1]])
        sums: torch.Tensor = AllSum.apply(torch.cat((wide.sum(axes), count)))
        total = sums[-1].detach()
        mean = sums[:-1] / total
        centred = wide - mean.view(shape)
        var = AllSum.apply(centred.square().sum(axes)) / total
        self.move(mean.detach(), var.detach() * total / (total - 1))
        scale, shift = (var + norm.eps).rsqrt(), torch.zeros_like(mean)
        if norm.weight is not None:
            scale, shift = scale * norm.weight, norm.bias
        normalised: torch.Tensor = centred * scale.view(shape) + shift.view(shape)
        return normalised.to(features.dtype)

    def move(self, mean: torch.Tensor, var: torch.Tensor) -> None:
        """Move the running statistics towards a batch's, as BatchNorm does."""
        norm = self.norm
        if norm.running_mean is None or norm.running_var is None:
            return
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.add_(1)
        momentum = norm.momentum
        if momentum is None:  # then they are the mean over all batches so far
            momentum = 1.0 / float(norm.num_batches_tracked)
        norm.running_mean.lerp_(mean.to(norm.running_mean), momentum)
        norm.running_var.lerp_(var.to(norm.running_var), momentum)


class AllSum(torch.autograd.Function):
    """The sum of a tensor over all processes; so is the gradient, since each has a loss of its
    own."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        total = tensor.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        """Return the gradient of the sum of all losses."""
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total
