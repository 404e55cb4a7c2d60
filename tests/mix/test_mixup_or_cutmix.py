"""A coin of the step decides between mixup and CutMix."""

from __future__ import annotations

import pytest
import torch

from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.data.base import Batch
from trainer.mix._blend import blend, paste
from trainer.mix._pairs import Pairs
from trainer.mix.base import MIXES
from trainer.mix.mixup_or_cutmix import MixupOrCutmix

CLOCK = Clock(step=3, total=2000, steps_per_epoch=10, seed=5)


def make_batch(start: int = 0) -> Batch:
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    second = Batch(images.roll(1, 0), torch.arange(4).roll(1), 4)
    return Batch(images, torch.arange(4), 4, start=start, step_images=8, partner=second)


def is_cut(batch: Batch, clock: Clock, mix: MixupOrCutmix) -> bool:
    """Whether a step is CutMix's; it is one of the two, with the alpha that is its own."""
    pairs = Pairs(batch, clock)
    got, blended = mix(batch, pairs), blend(batch, pairs, mix.alpha)
    pasted = paste(batch, pairs, mix.cutmix_alpha)
    assert torch.equal(got.images, blended.images) != torch.equal(got.images, pasted.images)
    return torch.equal(got.images, pasted.images)


@pytest.mark.slow
def test_each_step_is_one_of_the_two_and_the_share_is_cutmixs() -> None:
    batch, mix = make_batch(), MixupOrCutmix(alpha=5.0, cutmix_alpha=7.0, cutmix_share=0.25)
    count = sum(is_cut(batch, CLOCK.at(t), mix) for t in range(600))
    assert 107 <= count <= 193  # 150 expected, 4 standard deviations are 43


def test_all_micro_batches_of_a_step_are_mixed_the_same_way() -> None:
    for t in range(20):
        clock = CLOCK.at(t)
        assert len({is_cut(make_batch(s), clock, MixupOrCutmix(5.0, 7.0)) for s in (0, 4)}) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cutmix_share": -0.1}, r"mix\.cutmix_share must be in \[0, 1\]"),
        ({"cutmix_share": 1.1}, r"mix\.cutmix_share must be in \[0, 1\], got 1\.1"),
        ({"alpha": -1.0}, r"mix\.alpha must be 0 or more"),
        ({"cutmix_alpha": -1.0}, r"mix\.cutmix_alpha must be 0 or more"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(MixupOrCutmix, values, "mix")


def test_the_name_loads_the_class() -> None:
    assert MIXES.load("mixup_or_cutmix") is MixupOrCutmix
