"""Ghost batch normalisation: statistics of parts of a batch."""

import torch
import torch.nn.functional as F
from torch import nn

from trainer.core.errors import ConfigError

SMALLEST = 2  # images of a ghost batch: maps of 1x1 have no variance of one


class GhostBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm that in training normalises every `ghost_batch` images of a batch by themselves.

    "Train longer, generalize better: closing the generalization gap in large batch training of
    neural networks", arXiv:1705.08741, algorithm 1. Images that are left over join the last ghost
    batch, so none is smaller than asked unless the whole batch is. Evaluation is BatchNorm's.

    Deviation: the running statistics move once a batch, as BatchNorm's do, towards the mean of the
    ghost batches' statistics (weighted by images), and not once a ghost batch. Their momentum then
    means what it means elsewhere, and at 1 they are those of the whole batch's images.

    Args:
        channels: of the features.
        ghost_batch: images that are normalised together, 2 or more.
    """

    def __init__(self, channels: int, ghost_batch: int) -> None:
        super().__init__(channels)
        self.ghost_batch = ghost_batch

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return features (B, C, H, W), normalised, scaled and shifted."""
        num_images = len(input)
        num_groups = num_images // self.ghost_batch if self.training else 1
        if num_groups <= 1:
            return super().forward(input)
        last = num_images - self.ghost_batch * (num_groups - 1)
        parts = torch.split(input, [self.ghost_batch] * (num_groups - 1) + [last])
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        means = self.running_mean.new_zeros(num_groups, self.num_features)
        variances = torch.zeros_like(means)
        normalised = [  # at momentum 1 the rows become the statistics of their ghost batch
            F.batch_norm(p, m, v, self.weight, self.bias, True, 1.0, self.eps)
            for p, m, v in zip(parts, means, variances, strict=True)
        ]
        self.num_batches_tracked.add_(1)
        for running, rows in ((self.running_mean, means), (self.running_var, variances)):
            ghosts = rows[:-1].mean(0).lerp(rows[-1], last / num_images)  # (C,)
            running.lerp_(ghosts, self.momentum)
        return torch.cat(normalised)

    def extra_repr(self) -> str:
        """Return what stands in the brackets when the network is printed."""
        return f"{self.num_features}, ghost_batch={self.ghost_batch}"


def batch_norm(channels: int, ghost_batch: int | None) -> nn.BatchNorm2d:
    """Return BatchNorm of whole batches, or of every `ghost_batch` images."""
    if ghost_batch is None:
        return nn.BatchNorm2d(channels)
    return GhostBatchNorm2d(channels, ghost_batch)


def require_ghost_batch(ghost_batch: int | None) -> None:
    """Raise ConfigError unless the setting is null or enough for a variance."""
    if ghost_batch is not None and ghost_batch < SMALLEST:
        raise ConfigError(f"model.ghost_batch must be {SMALLEST} or more, got {ghost_batch}")


def check_ghosts(model: nn.Module, num_images: int) -> None:
    """Raise ConfigError if batches of `num_images` do not hold two of a model's ghost batches.

    They would be whole batches: the choice could have no effect.
    """
    sizes = {m.ghost_batch for m in model.modules() if isinstance(m, GhostBatchNorm2d)}
    for size in sizes:
        if 2 * size > num_images:
            raise ConfigError(
                f"model.ghost_batch={size} must be at most half of the {num_images} images that a "
                "process takes at a time (batch_size, through accumulate and processes)"
            )
