"""Which training images are held out for validation, and which of the rest are trained on.

Both choices are stratified (each class gives its share) and move with `data.split_seed` alone. The
order is stable: positions are ascending, so images keep the order of the source. Within a class the
choice is a prefix of one fixed permutation: a larger `val` or `subset` contains the smaller one's
images of that class, up to rounding.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.core import rng
from trainer.core.errors import ConfigError
from trainer.core.file_kinds import printable
from trainer.core.units import Amount
from trainer.data.base import DataKeys, Source

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Positions of the images of each purpose, ascending.

    Attributes:
        train: positions in `source.train`.
        val: positions in `source.val` where the source has one, else in `source.train`; empty where
            nothing is held out.
    """

    train: Indices
    val: Indices


def split_source(source: Source, keys: DataKeys) -> Split:
    """Return which images are trained on and which are for validation.

    A source's own validation images are all used (none with `data.val=0`).

    Raises:
        ConfigError: if `data.val` or `data.subset` asks for more images than there are, or for so
            few that a class would have none.
    """
    labels = source.train.labels.numpy()
    everything = np.arange(len(labels), dtype=np.int64)
    if source.val is not None:
        if keys.val not in (DataKeys.val, Amount(0, False), Amount(0, True)):
            raise ConfigError(
                f"data.val={keys.val}: these images bring their own validation split; "
                "leave data.val out, or write 0"
            )
        val = np.arange(len(source.val) if keys.val.value else 0, dtype=np.int64)
        train = everything
    else:
        generator = rng.stream(keys.split_seed, "val")
        val = hold_out(labels, keys.val, generator, key="data.val", classes=source.classes)
        train = np.setdiff1d(everything, val, assume_unique=True)
    return Split(train=_subset(labels, train, keys), val=val)


def hold_out(
    labels: Indices,
    amount: Amount,
    generator: np.random.Generator,
    *,
    key: str,
    classes: tuple[str, ...],
) -> Indices:
    """Return the positions of the images held out, of labels (N,); every class keeps at least one
    to train on.

    Raises:
        ConfigError: if that is none, too many, or a class has too few.
    """
    wanted = amount.of(len(labels))
    if amount.value == 0:
        return np.empty(0, dtype=np.int64)
    if wanted < 1:
        raise ConfigError(
            f"{key}={amount} of {len(labels)} images is none: ask for more"
            + (", or write 0 to hold out nothing" if key == "data.val" else "")
        )
    counts = np.bincount(labels, minlength=len(classes))
    present = int((counts > 0).sum())
    if wanted > len(labels) - present:
        raise ConfigError(
            f"{key}={amount} holds out {wanted} of {len(labels)} images in "
            f"{present} classes: at most {len(labels) - present} leave one of each to train on"
        )
    if wanted >= present and (counts == 1).any():
        name = printable(classes[int(np.flatnonzero(counts == 1)[0])])
        raise ConfigError(
            f"{key}={amount}: class '{name}' has 1 image, too few to hold one out; "
            "add images or write 0"
        )
    return stratified(labels, wanted, generator, keep=1)


def _subset(labels: Indices, train: Indices, keys: DataKeys) -> Indices:
    """Return those of the positions `train` that are trained on."""
    wanted = keys.subset.of(len(train))
    if wanted == len(train):
        return train
    if wanted > len(train):
        raise ConfigError(
            f"data.subset={keys.subset}: only {len(train)} training images are left "
            f"after data.val={keys.val}"
        )
    present = len(np.unique(labels[train]))
    if wanted < present:
        raise ConfigError(
            f"data.subset={keys.subset} is {wanted} images, "
            f"fewer than one for each of the {present} classes"
        )
    chosen = stratified(labels[train], wanted, rng.stream(keys.split_seed, "subset"), least=1)
    return train[chosen]


def stratified(
    labels: Indices, num: int, generator: np.random.Generator, *, least: int = 0, keep: int = 0
) -> Indices:
    """Return the positions of `num` labels (N,), each class in proportion (largest remainders),
    ascending; of each class at least `least` are taken and `keep` left."""
    counts = np.bincount(labels)
    present = counts > 0
    low = np.where(present, np.minimum(least, counts), 0)
    high = np.where(present, np.maximum(counts - keep, 0), 0)
    assert low.sum() <= num <= high.sum()
    exact = counts * num / counts.sum()
    quotas = np.clip(np.floor(exact).astype(np.int64), low, high)  # of each class
    while (missing := num - int(quotas.sum())) != 0:
        step = 1 if missing > 0 else -1
        movable = quotas < high if step > 0 else quotas > low
        distance = np.where(movable, (exact - quotas) * step, -np.inf)
        quotas[int(np.argmax(distance))] += step  # the first of equals: the lower class
    chosen = [
        generator.permutation(np.flatnonzero(labels == k))[:quota]
        for k, quota in enumerate(quotas)
        if counts[k]
    ]
    return np.sort(np.concatenate(chosen)).astype(np.int64)
