"""CutMix pastes a box and weighs targets by its area."""

from __future__ import annotations

import pytest
import torch

from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.data.base import Batch
from trainer.mix._pairs import Pairs
from trainer.mix.base import MIXES
from trainer.mix.cutmix import Cutmix

CLOCK = Clock(step=3, total=100, steps_per_epoch=10, seed=5)


def test_black_and_white_mix_by_the_area_that_was_pasted() -> None:
    images = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 8, 8)
    second = Batch(images.flip(0), torch.tensor([1, 0]), 2, step_images=2)
    batch = Batch(images, torch.tensor([0, 1]), 2, step_images=2, partner=second)
    areas = set()
    for t in range(40):
        got = Cutmix(1.0)(batch, Pairs(batch, CLOCK.at(t)))
        assert got.targets is not None
        white = float(got.images[0].mean())
        assert got.targets.tolist() == [[1 - white, white], [white, 1 - white]]
        assert set(got.images.unique().tolist()) <= {0.0, 1.0}
        areas.add(white)
    assert len(areas) > 10


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": -1.0}, r"mix\.alpha must be 0 or more, got -1\.0"),
        ({"beta": 1.0}, r"unknown key 'mix\.beta'"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Cutmix, values, "mix")


def test_the_name_loads_the_class() -> None:
    assert MIXES.load("cutmix") is Cutmix
