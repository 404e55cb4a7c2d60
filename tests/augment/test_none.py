"""No augmentation leaves the batch alone."""

from __future__ import annotations

import torch

from trainer.augment.base import AUGMENTS, AugmentKeys, Chain
from trainer.augment.none import NoAugment
from trainer.core.clock import Clock
from trainer.core.registry import Choice
from trainer.data.base import Batch


def test_the_batch_is_returned_as_it_is() -> None:
    batch = Batch(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.arange(4), 4, step_images=4)
    assert NoAugment()(batch, Clock(3, 10, 5)) is batch
    assert Chain(())(batch, Clock(3, 10, 5)) is batch
    assert Chain((Choice("none", AugmentKeys(), NoAugment()),))(batch, Clock(3, 10, 5)) is batch
    assert AUGMENTS.load("none") is NoAugment
