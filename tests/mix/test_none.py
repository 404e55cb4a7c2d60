"""No mixing leaves the batch alone."""

from __future__ import annotations

import torch

from trainer.core.clock import Clock
from trainer.core.registry import Choice
from trainer.data.base import Batch
from trainer.mix._pairs import Pairs
from trainer.mix.base import MIXES, Mixing, MixKeys
from trainer.mix.none import NoMix


def test_the_batch_is_returned_as_it_is() -> None:
    batch, clock = Batch(torch.rand(4, 1, 2, 2), torch.arange(4), 4, step_images=4), Clock(3, 10, 5)
    assert NoMix()(batch, Pairs(batch, clock)) is batch
    mixing = Mixing(Choice("none", MixKeys(), NoMix()), total=10, steps_per_epoch=5)
    assert mixing(batch, clock) is batch
    assert MIXES.load("none") is NoMix
