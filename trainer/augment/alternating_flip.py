"""Mirroring in turn."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainer.augment import AUGMENTS, Batch, Clock, to_device
from trainer.augment._geometry import flip
from trainer.core import rng


@AUGMENTS.register("alternating_flip")
@dataclass(frozen=True)
class AlternatingFlip:
    """Each image is mirrored at random in the first epoch, and from then on in every other epoch.

    "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv:2404.00498, section 3.6: in any two
    epochs in a row a network sees every image both ways, where independent mirroring shows half of
    them the same way twice. The first epoch's choice is a function of the seed and the image's
    position in the training set (there, of a hash of the position alone).
    """

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Any image can be mirrored."""

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch, the images mirrored whose turn it is."""
        assert batch.index is not None
        first = coin(batch.index, rng.derive(clock.seed, "augment", "alternating_flip"))
        is_turn = to_device(first ^ (clock.epoch % 2 == 1), batch.images)
        return replace(batch, images=flip(batch.images, is_turn))


def coin(numbers: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Return a random bool for each whole number (B,), always the same for the same seed.

    The mixing function of SplitMix64, "Fast Splittable Pseudorandom Number Generators", OOPSLA
    2014.
    """
    mixed = numbers.astype(np.uint64) + np.uint64(seed)  # all of this wraps around
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return ((mixed ^ (mixed >> np.uint64(31))) & np.uint64(1)).astype(np.bool_)
