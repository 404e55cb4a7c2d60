"""A plugin: a network whose building goes wrong a given number of times, each time in a worker of
its own."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from trainer.model.base import MODELS


@MODELS.register("fragile")
@dataclass(frozen=True)
class Fragile:
    """A linear network.

    Attributes:
        marks: folder that keeps what happened, across processes.
        how: what goes wrong: `dies`, `hangs`, `memory`, `stops` (the whole process stands still).
        times: it does.
    """

    marks: str
    how: str = "dies"
    times: int = 1

    def build(self, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network, or do not."""
        marks = Path(self.marks)
        is_real = torch.get_default_device().type != "meta"  # and not asked what it costs
        if is_real and len(list(marks.iterdir())) < self.times:
            (marks / str(os.getpid())).touch()
            if self.how == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "stops":
                os.kill(os.getpid(), signal.SIGSTOP)
            if self.how == "memory":
                raise MemoryError("no more is to be had")
            time.sleep(3600)
        channels, height, width = image_shape
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, num_classes))
