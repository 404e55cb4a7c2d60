"""The keys that all mixing has: probability, stop, partners, lambda per batch or per sample."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.command import TINY, Call
from trainer.core.clock import Clock
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.core.registry import Choice
from trainer.core.units import Duration
from trainer.data.base import Batch
from trainer.mix.base import Mixing, MixKeys
from trainer.mix.mixup import Mixup


def mixing(total: int = 100, **keys: object) -> Mixing:
    return Mixing(Choice("mixup", MixKeys(**keys), Mixup()), total=total, steps_per_epoch=10)  # type: ignore[arg-type]


def make_batch() -> Batch:
    return Batch(torch.rand(8, 1, 2, 2), torch.arange(8), 8, step_images=8)


def mixed_steps(mix: Mixing, total: int = 100) -> list[int]:
    batch = make_batch()
    clocks = [Clock(t, total, 10, seed=1) for t in range(total)]
    return [c.step for c in clocks if mix(batch, c) is not batch]


def test_by_default_every_step_is_mixed() -> None:
    assert mixed_steps(mixing()) == list(range(100))


@pytest.mark.parametrize(
    ("stop", "last"), [(Duration(30, "st"), 29), (Duration(3, "ep"), 29), (Duration(30, "%"), 29)]
)
def test_no_step_is_mixed_from_the_stop_on(stop: Duration, last: int) -> None:
    assert mixed_steps(mixing(stop=stop)) == list(range(last + 1))


@pytest.mark.slow
def test_the_probability_is_the_share_of_mixed_steps() -> None:
    steps = mixed_steps(mixing(1_000, probability=0.3), 1_000)
    assert 242 <= len(steps) <= 358  # 300 expected, 4 standard deviations are 58


def test_probability_moves_no_other_draw() -> None:
    batch, always, often = make_batch(), mixing(), mixing(probability=0.5)
    for t in mixed_steps(often):
        clock = Clock(t, 100, 10, seed=1)
        assert torch.equal(always(batch, clock).images, often(batch, clock).images)


def test_the_second_draw_is_gone_after_mixing_or_not() -> None:
    batch = Batch(torch.rand(8, 1, 2, 2), torch.arange(8), 8, step_images=8, partner=make_batch())
    clock = Clock(3, 100, 10)
    for mix, t in ((mixing(), 3), (mixing(stop=Duration(2, "st")), 3)):
        assert mix(batch, clock.at(t)).partner is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"probability": 1.1}, r"mix\.probability must be in \[0, 1\], got 1\.1"),
        ({"probability": -0.1}, r"mix\.probability must be in \[0, 1\], got -0\.1"),
        ({"stop": 5}, r"mix\.stop needs a unit"),
        ({"lambda_per": "step"}, r"mix\.lambda_per 'step'.*known: batch, sample"),
        ({"partners": "both"}, r"mix\.partners 'both'.*known: independent, permuted"),
    ],
)
def test_bad_settings_are_refused_by_key(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(MixKeys, values, "mix")


def test_a_stop_that_the_run_does_not_reach_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mix\.stop=101st is 101 steps, but the run has only"):
        mixing(stop=Duration(101, "st"))


@pytest.mark.slow
def test_mixing_that_mixes_nothing_leaves_the_weights_bit_for_bit(call: Call) -> None:
    found = set()
    for overrides in (
        ("mix=none",),
        ("mix=mixup", "mix.alpha=0"),
        ("mix=cutmix", "mix.alpha=0", "mix.partners=independent"),
    ):
        outcome = call(*TINY, "augment=[shift]", "epochs=1", *overrides)
        assert outcome.code == 0, outcome.err
        summary = json.loads((Path("outputs/latest") / "summary.json").read_text())
        found.add(summary["weights_sha256"])
    assert len(found) == 1


@pytest.mark.slow
def test_a_stop_after_the_run_and_keys_of_no_mixing_are_refused(call: Call) -> None:
    outcome = call(*TINY, "mix=mixup", "mix.stop=3ep")
    assert (outcome.code, "mix.stop=3ep is longer than the run (epochs=2)" in outcome.err) == (
        2,
        True,
    )
    outcome = call(*TINY, "mix.probability=0.5")
    assert (outcome.code, "unknown key 'mix.probability'" in outcome.err) == (2, True)
    assert not Path("outputs").exists()
