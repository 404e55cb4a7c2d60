"""The images of a plan are those that the first step trains on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.task.test_plan_facts import live
from trainer.task._plan_images import NUM_IMAGES, seen_images


def first_stored(run) -> tuple[torch.Tensor, torch.Tensor]:
    (batch,) = next(iter(run.data.train_steps(0, 0)))
    return batch.images, batch.labels


@pytest.mark.slow
def test_without_augmentation_they_are_the_stored_pixels_and_labels() -> None:
    run, _ = live()
    images, labels = first_stored(run)
    seen = seen_images(run)
    assert len(seen) == NUM_IMAGES == 16
    for found, image, label in zip(seen, images, labels, strict=True):
        assert np.array_equal(found.pixels, image.numpy())
        assert found.text == run.data.classes[int(label)]


@pytest.mark.slow
def test_mixed_ones_say_both_labels_with_their_shares() -> None:
    run, _ = live("mix=mixup", "mix.lambda_per=sample", "mix.alpha=4")
    batch = next(iter(run.data.train_steps(0, 0)))[0]
    clock = run.clock()
    mixed = run.mix(run.ready(run.augment(batch, clock)), clock)
    seen = seen_images(run)
    two = 0
    for i, found in enumerate(seen):
        shares = mixed.targets[i]
        if int((shares > 0.005).sum()) == 2:
            two += 1
            name, share = found.text.splitlines()[0].split(": ")
            assert float(share) == round(float(shares.max()), 2)
            assert name == run.data.classes[int(shares.argmax())]
        between = (batch.images[i].min(), batch.images.max())
        assert between[0] - 1 <= found.pixels.max() <= 255
    assert two >= 8


@pytest.mark.slow
def test_few_images_and_small_batches_are_enough() -> None:
    run, _ = live("batch_size=4", "epochs=1", "max_steps=2")
    assert len(seen_images(run)) == NUM_IMAGES
    run, _ = live("data.subset=10", "batch_size=4", "epochs=1")
    assert len(seen_images(run)) == 10


def test_looking_moves_no_draw_of_training() -> None:
    run, _ = live("augment=shift", "mix=cutmix")
    before = torch.get_rng_state()
    first = seen_images(run)
    again = seen_images(run)
    assert torch.equal(before, torch.get_rng_state())
    assert [c.text for c in first] == [c.text for c in again]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True))
