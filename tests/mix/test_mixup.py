"""Mixup blends images and targets."""

from __future__ import annotations

import pytest
import torch

from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.data.base import Batch
from trainer.mix._blend import blend
from trainer.mix._pairs import Pairs
from trainer.mix.base import MIXES
from trainer.mix.mixup import Mixup

CLOCK = Clock(step=3, total=100, steps_per_epoch=10, seed=5)


def make_batch() -> Batch:
    images = torch.randn(16, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    return Batch(images, torch.arange(16), 16, step_images=16)


def test_the_batch_is_blended_with_its_own_alpha() -> None:
    batch = make_batch()
    pairs = Pairs(batch, CLOCK)
    got = Mixup(0.4)(batch, pairs)
    assert torch.equal(got.images, blend(batch, pairs, 0.4).images)
    assert not torch.equal(got.images, blend(batch, pairs, 1.0).images)


def test_lambda_is_that_of_the_step_for_every_micro_batch() -> None:
    mixup = Mixup(1.0)
    masses = []
    for start in (0, 16, 32):
        batch = Batch(torch.zeros(16, 1, 1, 1), torch.arange(16), 16, start=start, step_images=48)
        targets = mixup(batch, Pairs(batch, CLOCK)).targets
        assert targets is not None
        masses.append(float(targets.diagonal().min()))
    assert len(set(masses)) == 1
    assert 0.0 < masses[0] < 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": -0.1}, r"mix\.alpha must be 0 or more"),
        ({"alpha": "one"}, r"mix\.alpha must be a number, got 'one'"),
        ({"alhpa": 1.0}, r"mix\.alhpa.*did you mean 'mix\.alpha'"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Mixup, values, "mix")


def test_the_name_loads_the_class() -> None:
    assert MIXES.load("mixup") is Mixup
