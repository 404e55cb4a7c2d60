"""The data seam: images as batches, one optimizer step at a time.

A component names where images come from; everything after that (splits, order, sharing among
processes, batches) is the same for all of them and lives in `trainer/data/_splits.py` and
`trainer/data/_batches.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.core.errors import ConfigError
from trainer.core.ranges import check_in
from trainer.core.registry import Registry
from trainer.core.units import Amount


@dataclass(frozen=True, slots=True)
class Batch:
    """Images of one micro-batch, and their place in their step (the batch of an optimizer step).

    Attributes:
        images: (B, C, H, W); uint8 in [0, 255] as stored, floating point once normalised.
        labels: (B,) int64.
        num_classes: K.
        targets: (B, K) probabilities where examples were mixed, else None: then `labels` say it
            all.
        start: place of the first image within its step.
        step_images: images of the step, over all processes and micro-batches.
        is_last: whether this is the step's last micro-batch in this process.
        partner: as many images of an independent draw, to be mixed with, where `mix` wants one.
        is_partner: whether this is such a draw: its augmentation is drawn apart.
        index: (B,) positions of the images among the source's training images, by which an
            augmentation knows an image again; None for images that are not trained on.
        mean: (C,) per-channel mean of the training images, in [0, 1]: what erased pixels become;
            empty for images that are not trained on.
    """

    images: torch.Tensor
    labels: torch.Tensor
    num_classes: int
    targets: torch.Tensor | None = None
    start: int = 0
    step_images: int = 0
    is_last: bool = True
    partner: Batch | None = None
    is_partner: bool = False
    index: NDArray[np.int64] | None = None
    mean: tuple[float, ...] = ()

    @property
    def share(self) -> float:
        """Share of the step's images that are in this micro-batch, in (0, 1]."""
        return len(self.labels) / self.step_images if self.step_images else 1.0


@dataclass(frozen=True)
class Images:
    """One split as stored: images of one size, in memory or mapped from a file, and their labels.

    Attributes:
        images: (N, C, H, W) uint8.
        labels: (N,) int64.
        names: (N,) paths below the data set's folder, where the images are files.
    """

    images: torch.Tensor
    labels: torch.Tensor
    names: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Source:
    """What a component reads: all images it has, before any split.

    Attributes:
        train: training images; `val` is held out from them unless the source has its own.
        test: images for reporting.
        val: validation images where the source brings its own split, else None.
        classes: one name per class.
        mean: (C,) per-channel mean of the training images, in [0, 1].
        std: (C,) per-channel standard deviation, likewise.
        fingerprint: SHA-256 of images and labels, in hexadecimal.
        facts: what reading them found, such as `turned`, the images that an EXIF orientation
            turned.
    """

    train: Images
    test: Images
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    val: Images | None = None
    facts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DataKeys:
    """Keys that every choice of `data` has.

    Attributes:
        root: folder that holds the data sets (one folder each).
        val: images held out from training for choosing, as a share or a count; 0 trains on
            everything.
        split_seed: seed of the split; nothing else moves it.
        subset: share or count of the training images (after `val` was taken out) to train on;
            stratified.
        last: what becomes of the images left over after an epoch's full batches: `keep` makes them
            a smaller batch (fewer than an eighth of a batch join the one before, so that BatchNorm
            sees enough), `drop` leaves them out.
        workers: processes that load images which are not resident.
        balance: how often an epoch shows each training image: `none`, once; `oversample`, so that
            every class has as many images in it as the largest has: of a class with fewer each
            image comes as often as any other, or once more, which of them drawn anew for each
            epoch.
        resident_share: share of the memory that images may fill (the device's, or the machine's on
            a CPU); what is larger is read from its cache file by workers.
    """

    root: str = "data"
    val: Amount = Amount(10.0, True)
    split_seed: int = 0
    subset: Amount = Amount(100.0, True)
    last: Literal["keep", "drop"] = "keep"
    balance: Literal["none", "oversample"] = "none"
    workers: int = 0
    resident_share: float = 0.5

    def __post_init__(self) -> None:
        check_in("[0, inf)", "data.workers", self.workers)
        check_in("[0, 1]", "data.resident_share", self.resident_share)
        if self.subset.value <= 0:
            raise ConfigError(f"data.subset must be positive, got {self.subset}")
        check_in("[0, inf)", "data.split_seed", self.split_seed)


@dataclass(frozen=True)
class Noise:
    """What label noise did: labels drawn anew, and those of them that differ from what they
    were."""

    replaced: int
    changed: int


class Dataset(Protocol):
    """A component of this seam: knows where its images come from."""

    def read(self, root: str) -> Source:
        """Return all images.

        Args:
            root: folder of the data sets.

        Raises:
            DataError: if files are missing or damaged; names them and says where they belong.
        """


ALIASES = {"_torchvision": ("mnist", "fashion_mnist", "cifar10", "cifar100")}
DATASETS: Registry[Dataset] = Registry("data", DataKeys, ALIASES)
