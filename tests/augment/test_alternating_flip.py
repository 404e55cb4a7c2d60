"""Random in the first epoch, in turn from then on, whatever an image's place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training import assembled
from trainer.augment.alternating_flip import AlternatingFlip, coin
from trainer.augment.base import AUGMENTS
from trainer.core.clock import Clock
from trainer.data.base import Batch


def is_mirrored(index: np.ndarray, epoch: int, seed: int = 3, start: int = 0) -> list[bool]:
    """Which of the images at these positions of the training set are mirrored in an epoch."""
    count = len(index)
    images = torch.tensor([1, 2], dtype=torch.uint8).view(1, 1, 1, 2).repeat(count, 3, 1, 1)
    batch = Batch(images, torch.zeros(count).long(), 10, start=start, step_images=500, index=index)
    clock = Clock(step=10 * epoch + 4, total=100, steps_per_epoch=10, seed=seed)
    got: list[bool] = (AlternatingFlip()(batch, clock).images[:, 0, 0, 0] == 2).tolist()
    return got


def test_about_half_in_the_first_epoch_and_the_others_in_the_next() -> None:
    index = np.arange(400)
    first = is_mirrored(index, 0)
    assert 160 <= sum(first) <= 240  # 200 expected, 4 standard deviations are 40
    for epoch in range(1, 5):
        assert is_mirrored(index, epoch) == [bit ^ (epoch % 2 == 1) for bit in first]


def test_an_image_keeps_its_turn_wherever_it_comes() -> None:
    index = np.arange(400)
    order = np.random.default_rng(0).permutation(400)
    first = np.array(is_mirrored(index, 2))
    assert is_mirrored(index[order], 2) == first[order].tolist()
    assert is_mirrored(index[order][:30], 2, start=60) == first[order][:30].tolist()


def test_seeds_differ() -> None:
    one, other = (np.array(is_mirrored(np.arange(400), 0, seed)) for seed in (0, 1))
    assert 160 <= int((one == other).sum()) <= 240


def test_coins_are_fair_and_independent_of_their_neighbours() -> None:
    for seed in (0, 12345, 2**63 - 1):
        bits = coin(np.arange(40_000), seed)
        assert abs(bits.mean() - 0.5) < 0.01  # 4 standard deviations
        for lag in (1, 2, 8, 64, 1000):
            assert abs((bits[lag:] == bits[:-lag]).mean() - 0.5) < 0.0105, lag


@pytest.mark.slow
def test_in_a_run_two_epochs_in_a_row_show_every_image_both_ways() -> None:
    overrides = ("data=synthetic", "data.num_train=60", "data.image_shape=[1,4,4]", "model=mlp")
    with assembled(*overrides, "augment=[alternating_flip]", "batch_size=20", "threads=1") as run:
        stored = {tuple(image.flatten().tolist()) for image in everything(run, 0)}
        views: list[set[tuple[int, ...]]] = []
        for epoch in (0, 1, 2):
            clock = run.clock().at(epoch * run.data.steps_per_epoch)
            images = [
                image
                for (batch,) in run.data.train_steps(epoch, 0)
                for image in run.augment(batch, clock).images
            ]
            views.append({tuple(image.flatten().tolist()) for image in images})
    assert len(stored) == len(views[0]) == 54
    both = stored | {mirrored(view) for view in stored}
    assert views[0] != views[1] == {mirrored(view) for view in views[0]}
    assert views[2] == views[0]
    assert views[0] | views[1] == both


def everything(run, epoch: int):
    return [image for (batch,) in run.data.train_steps(epoch, 0) for image in batch.images]


def mirrored(view: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(torch.tensor(view).view(4, 4).flip(1).flatten().tolist())


def test_the_name_loads_the_class() -> None:
    assert AUGMENTS.load("alternating_flip") is AlternatingFlip
