"""Training labels replaced at random, to see what a network learns by heart."""

import numpy as np
import torch

from trainer.core import rng
from trainer.core.errors import ConfigError
from trainer.core.units import Amount
from trainer.data._splits import Indices
from trainer.data.base import Noise


def with_noise(
    labels: torch.Tensor, train: Indices, amount: Amount, *, num_classes: int, seed: int
) -> tuple[torch.Tensor, Noise | None]:
    """Return labels of which exactly `amount` of those trained on are drawn anew.

    As in "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412, section 3.4: the new label
    is uniform over all classes, so that one in K is what it was. Which labels are replaced, and by
    what, depends on `seed` and the split alone, and what a smaller amount replaces a larger one
    replaces too, by the same. Not stratified.

    Args:
        labels: (N,) int64 of the source's training images; not changed.
        train: positions of the images trained on; the others' labels stay as they are.
        amount: how many of those labels.
        num_classes: K.
        seed: of the draws: `data.split_seed`.

    Raises:
        ConfigError: if that is less than one label, or more than there are.
    """
    if amount.value == 0:
        return labels, None
    num = amount.of(len(train))
    if not 1 <= num <= len(train):
        raise ConfigError(
            f"label_noise={amount} is {num} of {len(train)} training labels: it must be at least 1 "
            "and at most all, or 0 for none"
        )
    order = rng.stream(seed, "label_noise", "which").permutation(len(train))
    drawn = rng.stream(seed, "label_noise", "label").integers(0, num_classes, len(train))
    places, new = train[order[:num]], torch.from_numpy(drawn[:num])
    noisy = labels.clone()
    noisy[torch.from_numpy(places)] = new
    return noisy, Noise(num, int(np.count_nonzero(noisy.numpy() != labels.numpy())))
