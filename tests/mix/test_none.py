"""No mixing leaves the batch alone."""

from __future__ import annotations

import torch

from trainer.data.base import Batch
from trainer.duration import Clock
from trainer.mix.base import MIXES
from trainer.mix.none import NoMix


def test_the_batch_is_returned_as_it_is() -> None:
    batch = Batch(torch.rand(4, 1, 2, 2), torch.arange(4), 4, window_size=4)
    assert NoMix()(batch, Clock(3, 10, 5)) is batch
    assert MIXES.load("none") is NoMix
