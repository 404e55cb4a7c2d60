"""`strategy=dp`: one process, whose batches are spread over all GPUs."""

import torch
from torch import nn

from trainer.core.environment import TORCHRUN
from trainer.core.errors import ConfigError
from trainer.precision.step import Precision
from trainer.strategy.base import Single

SMALLEST = 2  # images of a device: BatchNorm has no variance of one


class Dp(Single):
    """`torch.nn.DataParallel`: one process, whose model is copied to all its GPUs at each pass.

    Each GPU takes a part of the batch, and the first one gathers the logits: loss and gradients are
    those of one GPU up to summation order. BatchNorm normalises each part by itself; the running
    statistics are those of the first GPU. A batch too small for two images on every GPU goes to
    fewer GPUs.
    """

    def take(self, device: torch.device, precision: Precision, accumulate: int) -> None:
        """Set the devices; raise ConfigError unless there are two GPUs and no single one is
        named."""
        count = torch.cuda.device_count() if device.type == "cuda" else 0
        if count < 2:
            raise ConfigError(
                f"strategy=dp needs two GPUs: device={device.type} has {count} here; "
                f"for several processes on a CPU: {TORCHRUN}"
            )
        if device.index:
            raise ConfigError(
                f"device={device} names one GPU and strategy=dp takes all {count}: use "
                "device=cuda, and CUDA_VISIBLE_DEVICES to leave some out"
            )
        self.devices = tuple(torch.device("cuda", i) for i in range(count))

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return a module that spreads its batches over the devices."""
        return DataParallelModel(model, self.devices)


class DataParallelModel(nn.Module):
    """A model whose passes are spread over devices.

    Args:
        model: on the first of them.
        devices: to spread over.
    """

    def __init__(self, model: nn.Module, devices: tuple[torch.device, ...]) -> None:
        super().__init__()
        self.model, self.devices = model, list(devices)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) of images (B, C, H, W), on the first device."""
        wanted = max(1, min(len(self.devices), len(images) // SMALLEST))
        logits: torch.Tensor = nn.parallel.data_parallel(
            self.model, images, device_ids=self.devices[:wanted]
        )
        return logits
