"""A chain augments a batch and its partner, in the order written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.command import TINY, Call
from tests.training import trained
from trainer.augment.base import AugmentKeys, Chain
from trainer.augment.shift import Shift
from trainer.core.clock import Clock
from trainer.core.registry import Choice
from trainer.data.base import Batch

CLOCK = Clock(step=7, total=100, steps_per_epoch=10, seed=3)


def make_batch(count: int, start: int = 0, step_images: int = 0) -> Batch:
    images = torch.arange(1, 26, dtype=torch.uint8).view(1, 1, 5, 5).repeat(count, 1, 1, 1)
    return Batch(
        images, torch.zeros(count).long(), 10, start=start, step_images=step_images or count
    )


def test_a_partner_is_augmented_with_draws_of_its_own_and_moves_none_of_the_batch() -> None:
    chain = Chain((Choice("shift", AugmentKeys(), Shift(2)),))
    alone, second = make_batch(16), replace(make_batch(16), is_partner=True)
    got = chain(replace(alone, partner=second), CLOCK)
    assert got.partner is not None
    assert torch.equal(got.images, chain(alone, CLOCK).images)
    assert torch.equal(got.partner.images, chain(second, CLOCK).images)
    assert not torch.equal(got.partner.images, got.images)


@pytest.mark.slow
def test_a_list_is_applied_in_the_order_written() -> None:
    first = ("augment=[cutout,shift]", "augment.cutout.size=4")
    second = ("augment=[shift,cutout]", "augment.cutout.size=4")
    assert trained(*first) != trained(*second)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("augment=[shift]", "augment.shift.pixels=8"),
            "augment.shift.pixels=8 can move the whole",
        ),
        (
            ("augment=[standard]", "augment.standard.padding=9"),
            "augment.standard.padding=9 can mov",
        ),
        (("augment=[cutout]", "augment.cutout.size=9"), "augment.cutout.size=9 is larger than"),
        (("augment=[color_jitter]",), "augment.color_jitter.saturation=0.4 needs images of three"),
        (
            ("augment=[standard,alternating_flip]",),
            "augment.standard.flip=true mirrors at random what alternating_flip mirrors in turn",
        ),
    ],
)
def test_what_does_not_fit_the_images_or_each_other_is_refused(
    call: Call, overrides: tuple[str, ...], message: str
) -> None:
    outcome = call(*TINY, *overrides)
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert not Path("outputs").exists()
