"""BatchNorm statistics of averaged weights, recomputed in a pass of their own."""

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainer.average.base import AverageKeys
from trainer.core.errors import ConfigError


def batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """Return the layers that keep running statistics."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


def check_bn_images(keys: AverageKeys, model: nn.Module) -> None:
    """Raise ConfigError if it is said from how many images to recompute what the model lacks."""
    if keys.bn_images != AverageKeys.bn_images and not batch_norms(model):
        raise ConfigError(
            f"average.bn_images={keys.bn_images} has no effect: this model has no BatchNorm "
            "statistics; leave it out"
        )


def recompute(
    model: nn.Module,
    batches: Iterable[torch.Tensor],
    forward: Callable[[torch.Tensor], object],
    total: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    """Replace every BatchNorm's statistics by the image-weighted mean of those of `batches`.

    The same numbers for any number of processes up to summation order, since batches are dealt out
    whole. Nothing else of the model changes; models without BatchNorm are left alone at no cost.

    Args:
        model: the averaged model; its BatchNorm buffers are overwritten, it is left in eval mode.
        batches: normalised clean training images (B, C, H, W): this process's share.
        forward: runs the model on one of them, in the run's precision.
        total: returns the sum of a tensor over all processes.
    """
    norms = batch_norms(model)
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    sums = [(zeros_for(n.running_mean), zeros_for(n.running_var)) for n in norms]
    model.eval()  # dropout must not draw
    for norm in norms:
        norm.reset_running_stats()
        norm.train().momentum = 1.0  # then the running statistics are those of the batch
    count = torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for images in batches:
            forward(images)
            count += len(images)
            for norm, (mean, var) in zip(norms, sums, strict=True):
                mean.add_(norm.running_mean, alpha=len(images))  # type: ignore[arg-type]
                var.add_(norm.running_var, alpha=len(images))  # type: ignore[arg-type]
        num_images = float(total(count))
        for norm, momentum, (mean, var) in zip(norms, momenta, sums, strict=True):
            norm.eval().momentum = momentum
            norm.running_mean = total(mean).div_(num_images).to(norm.running_mean)
            norm.running_var = total(var).div_(num_images).to(norm.running_var)


def zeros_for(statistics: torch.Tensor | None) -> torch.Tensor:
    """Return a sum's beginning, in float32 at least: thousands of images overflow a half."""
    assert statistics is not None
    return torch.zeros_like(statistics, dtype=torch.promote_types(statistics.dtype, torch.float32))
