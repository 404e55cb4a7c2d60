"""From stored images to batches, for every data set alike: splits, order, shares of processes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from trainer.core import rng
from trainer.core.units import Amount
from trainer.data._balance import Oversampling
from trainer.data._noise import with_noise
from trainer.data._splits import Indices, split_source, stratified
from trainer.data._steps import SMALLEST, Steps, batch_bounds, rank_share
from trainer.data._stores import Store, store_for
from trainer.data.base import Batch, DataKeys, Images, Source

CLEAN_BATCH = 512  # images; fixed, so that BatchNorm statistics do not depend on batch_size


class Batches:
    """The batches of one process: what the loop sees of the data.

    The order of an epoch is a permutation drawn from (seed, epoch), with `data.balance=oversample`
    of images some of which come several times; nothing is stored, so any step can be begun with.

    Args:
        source: all images.
        keys: the shared keys of the group.
        batch_size: images of an optimizer step, over all processes and micro-batches.
        accumulate: micro-batches of a step in each process.
        seed: of the run; moves the order of training images and nothing else.
        rank: number of this process, from 0.
        world_size: processes.
        device: where batches are wanted.
        eval_batch_size: images of an evaluation batch.
        partners: whether each training batch brings a second, independent draw of images.
        label_noise: training labels replaced at random; those of val and test never are.

    Attributes:
        num_classes: K.
        image_shape: (C, H, W).
        steps_per_epoch: optimizer steps of an epoch.
        classes: (K,) names.
        mean: (C,) per-channel mean for normalisation, in [0, 1].
        std: (C,) standard deviation, likewise.
        fingerprint: SHA-256 of images and labels.
        num_train: images trained on; an epoch has `epoch_images`, more of them where small classes
            are oversampled.
        train_counts: of each class, in an epoch.
        num_val: images held out for validation.
        num_test: test images.
        val_counts: images of each class held out for validation; `test_counts` likewise.
        noise: what label noise did to the training labels, or None.
        is_resident: whether images lie in the device's memory, and are not streamed by workers.

    Raises:
        ConfigError: if the split or the label noise is impossible, or batches cannot be shared as
            asked.
    """

    def __init__(
        self,
        source: Source,
        keys: DataKeys,
        *,
        batch_size: int,
        accumulate: int = 1,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str = "cpu",
        eval_batch_size: int = 1000,
        partners: bool = False,
        label_noise: Amount = Amount(0, False),
    ) -> None:
        split = split_source(source, keys)
        channels, height, width = source.train.images.shape[1:]
        self.image_shape = (int(channels), int(height), int(width))
        self.num_classes, self.classes = len(source.classes), source.classes
        self.mean, self.std, self.fingerprint = source.mean, source.std, source.fingerprint
        self.num_train, self.num_val = len(split.train), len(split.val)
        self.num_test = len(source.test)
        val = source.train if source.val is None else source.val
        self._evaluated = {
            "val": (val, split.val),
            "test": (source.test, np.arange(self.num_test, dtype=np.int64)),
        }
        self.val_counts = self._counts(val.labels.numpy()[split.val])
        self.test_counts = self._counts(source.test.labels.numpy())
        self._split = split
        self._seed, self._split_seed, self._rank = seed, keys.split_seed, rank
        self._eval_batch_size, self._partners = eval_batch_size, partners
        self._train_labels = source.train.labels.numpy()[split.train]
        labels, self.noise = with_noise(
            source.train.labels,
            split.train,
            label_noise,
            num_classes=self.num_classes,
            seed=keys.split_seed,
        )
        self._oversampling = (
            Oversampling.of(split.train, labels.numpy()[split.train])
            if keys.balance == "oversample"
            else None
        )
        counts = self._counts(labels.numpy()[split.train])
        if self._oversampling is not None:
            counts = tuple(max(counts) if count else 0 for count in counts)
        self.train_counts, self.epoch_images = counts, sum(counts)
        self._steps = Steps(self.epoch_images, batch_size, keys.last, accumulate, world_size)
        self.steps_per_epoch = self._steps.count
        train = Images(source.train.images, labels)
        parts = [train, source.test] + ([] if source.val is None else [source.val])
        stores = store_for(parts, keys, torch.device(device))
        self.is_resident = stores[0].is_resident
        self._train_store, self._test_store = stores[:2]
        self._val_store = self._train_store if source.val is None else stores[-1]

    def check_least(self, least: int) -> None:
        """Raise ConfigError if a micro-batch of an epoch has fewer than `least` images."""
        self._steps.check_least(least)

    def _counts(self, labels: Indices) -> tuple[int, ...]:
        return tuple(np.bincount(labels, minlength=self.num_classes).tolist())

    def train_steps(self, epoch: int, start: int) -> Iterator[list[Batch]]:
        """Yield the steps of an epoch from number `start` on: this process's micro-batches."""
        orders = [self._order(epoch, "shuffle")]
        if self._partners:
            orders.append(self._order(epoch, "mix", "shuffle"))
        shares = [
            self._steps.shares(step, self._rank) for step in range(start, self.steps_per_epoch)
        ]
        bounds = [
            (low + draw * self.epoch_images, high + draw * self.epoch_images)
            for share in shares
            for low, high in share
            for draw in range(len(orders))
        ]
        order = np.concatenate(orders)
        loaded, places = self._train_store.batches(order, bounds), iter(bounds)
        for step, share in enumerate(shares, start):
            low, high = self._steps.bounds(step)
            batches = []
            for number, (first, _) in enumerate(share, 1):
                drawn = [
                    Batch(
                        *next(loaded),
                        self.num_classes,
                        start=first - low,
                        step_images=high - low,
                        is_last=number == len(share),
                        is_partner=draw > 0,
                        index=order[slice(*next(places))],
                        mean=self.mean,
                    )
                    for draw in range(len(orders))
                ]
                batches.append(replace(drawn[0], partner=drawn[1]) if self._partners else drawn[0])
            yield batches

    def _order(self, epoch: int, *stream: str) -> Indices:
        """Return the training images in the order that a random stream gives them in an epoch."""
        images = self._split.train
        if self._oversampling is not None:
            images = self._oversampling.images(rng.stream(self._seed, "balance", *stream, epoch))
        return images[rng.stream(self._seed, *stream, epoch).permutation(len(images))]

    def clean_train_batches(self, num_images: int) -> Iterator[Batch]:
        """Yield this process's share of a fixed stratified sample of training images: of
        `num_images`, but at least 2 and at most all.

        Whole batches of 512 (a single image left over joins the batch before) are dealt to the
        processes in turn, so that any number of processes sees exactly the batches that one would.
        """
        num = min(max(num_images, SMALLEST), self.num_train)
        generator = rng.stream(self._split_seed, "clean")
        sample = self._split.train[
            generator.permutation(stratified(self._train_labels, num, generator))
        ]
        bounds = batch_bounds(0, num, CLEAN_BATCH)
        if len(bounds) > 1 and num % CLEAN_BATCH == 1:
            bounds[-2:] = [(bounds[-2][0], num)]
        yield from self._plain(
            self._train_store, sample, bounds[self._rank :: self._steps.world_size]
        )

    def val_batches(self) -> Iterator[Batch]:
        """Yield this process's share of the validation images, each once over all processes."""
        yield from self._evaluation(self._val_store, self._split.val)

    def test_batches(self) -> Iterator[Batch]:
        """Yield this process's share of the test images, likewise."""
        yield from self._evaluation(self._test_store, self._evaluated["test"][1])

    def file_names(self, split: Literal["val", "test"]) -> Sequence[str] | None:
        """Return the paths of a split's images over all processes, in the order of its batches;
        None where they are no files."""
        images, indices = self._evaluated[split]
        return None if images.names is None else [images.names[i] for i in indices]

    def _evaluation(self, store: Store, indices: Indices) -> Iterator[Batch]:
        low, high = rank_share(len(indices), self._rank, self._steps.world_size)
        yield from self._plain(store, indices, batch_bounds(low, high, self._eval_batch_size))

    def _plain(
        self, store: Store, order: Indices, bounds: list[tuple[int, int]]
    ) -> Iterator[Batch]:
        """Yield batches that stand for themselves: each is its own step."""
        for images, labels in store.batches(order, bounds):
            yield Batch(images, labels, self.num_classes, step_images=len(labels))
