"""Blending and pasting: values by hand, torchvision's transforms, areas, soft targets."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from trainer.core.clock import Clock
from trainer.data.base import Batch
from trainer.loss.cross_entropy import CrossEntropy
from trainer.mix._blend import blend, draw_lambda, paste, side
from trainer.mix._pairs import Pairs, Per

CLOCK = Clock(step=3, total=100, steps_per_epoch=10, seed=5)
BOTH = pytest.mark.parametrize("mix", [blend, paste])
PERS = pytest.mark.parametrize("per", ["batch", "sample"])
Mixer = Callable[[Batch, Pairs, float], Batch]


def make_batch(count: int = 16, dtype: torch.dtype = torch.float64, side: int = 6) -> Batch:
    """Random images; labels all different, so that targets tell lambda and partner."""
    generator = torch.Generator().manual_seed(count)
    images = torch.randn(count, 2, side, side + 1, generator=generator, dtype=dtype)
    return Batch(images, torch.arange(count), count, step_images=count)


def paired(batch: Batch) -> Batch:
    """The batch with its neighbour as every example's partner, as torchvision pairs."""
    rolled = replace(batch, images=batch.images.roll(1, 0), labels=batch.labels.roll(1, 0))
    return replace(batch, partner=rolled)


def mixed(
    mix: Mixer, batch: Batch, clock: Clock = CLOCK, per: Per = "batch", alpha: float = 1.0
) -> Batch:
    return mix(batch, Pairs(batch, clock, per), alpha)


def kept(batch: Batch) -> torch.Tensor:
    """The share (B,) of their own label that paired examples kept."""
    assert batch.targets is not None
    return batch.targets.gather(1, batch.labels[:, None]).squeeze(1)


def test_two_examples_blended_by_hand() -> None:
    images = torch.tensor([0.0, 10.0], dtype=torch.float64).view(2, 1, 1, 1)
    batch = paired(Batch(images, torch.tensor([0, 1]), 2, step_images=2))
    lam = float(draw_lambda(Pairs(batch, CLOCK), 1.0)[0])
    got = mixed(blend, batch)
    assert got.images.flatten().tolist() == pytest.approx([10 - 10 * lam, 10 * lam], rel=1e-12)
    assert got.targets is not None
    assert got.targets.tolist() == [
        pytest.approx([lam, 1 - lam], rel=1e-12),
        pytest.approx([1 - lam, lam], rel=1e-12),
    ]


@pytest.mark.parametrize(
    ("lam", "centre", "length", "expected"),
    [
        (0.75, 0.5, 8, (2, 6)),  # half of sqrt(1/4) * 8 is 2, about pixel 4
        (0.75, 0.0, 8, (0, 2)),  # cut off at the edge
        (0.75, 0.99, 8, (5, 8)),
        (0.0, 0.5, 8, (0, 8)),
        (1.0, 0.5, 8, (4, 4)),  # nothing
        (0.6, 0.5, 5, (1, 3)),  # half of 3.16 rounds down to 1
    ],
)
def test_one_side_of_a_box_by_hand(lam, centre, length, expected) -> None:
    first, end = side(np.array([lam]), np.array([centre]), length)
    assert (int(first[0]), int(end[0])) == expected


def test_the_area_of_boxes_is_that_of_the_formula_less_what_the_edges_cut() -> None:
    u, y, x = np.random.default_rng(0).random((3, 20_000))
    (top, bottom), (left, right) = side(1 - u, y, 1_000), side(1 - u, x, 1_000)
    # a side s = sqrt(u) with its centre anywhere keeps s - s^2 / 4 on average, so that the area is
    # E[u] - E[u^1.5] / 2 + E[u^2] / 16 = 1/2 - 1/5 + 1/48
    expected = 1 / 2 - 1 / 5 + 1 / 48
    assert float(((bottom - top) * (right - left)).mean()) / 1e6 == pytest.approx(
        expected, abs=0.01
    )


@BOTH
@PERS
@settings(derandomize=True, max_examples=20, deadline=None)
@given(st.integers(2, 20), st.floats(0.01, 50.0), st.integers(0, 10_000), st.integers(0, 99))
def test_every_pixel_and_target_is_of_the_pair(mix, per, count, alpha, seed, step) -> None:
    batch = paired(make_batch(count))
    got = mixed(mix, batch, Clock(step, 100, 10, seed=seed), per, alpha)
    lam, other = kept(got), batch.images.roll(1, 0)
    if mix is blend:
        weight = lam.view(-1, 1, 1, 1)
        expected = weight * batch.images + (1 - weight) * other
        torch.testing.assert_close(got.images, expected, rtol=1e-9, atol=1e-9)
    else:
        own, others = (got.images == batch.images).all(1), (got.images == other).all(1)
        assert bool((own ^ others).all())  # random images share no pixel
        torch.testing.assert_close(own.double().mean((1, 2)), lam)  # corrected to the area
    assert got.targets is not None
    assert bool((got.targets >= 0).all())
    torch.testing.assert_close(got.targets.sum(1), torch.ones(count, dtype=torch.float64))
    rest = got.targets - torch.diag(lam)
    torch.testing.assert_close(rest.gather(1, batch.labels.roll(1)[:, None]).squeeze(1), 1 - lam)


def test_pasted_places_are_one_box_of_the_same_place_in_both() -> None:
    got = mixed(paste, paired(make_batch(64, side=9)), per="sample")
    other = make_batch(64, side=9).images.roll(1, 0)
    boxes = set()
    for place in (got.images == other).all(1):
        rows, columns = place.any(1).nonzero().flatten(), place.any(0).nonzero().flatten()
        if len(rows):
            assert int(place.sum()) == len(rows) * len(columns)
            assert int(rows[-1] - rows[0]) + 1 == len(rows)
            assert int(columns[-1] - columns[0]) + 1 == len(columns)
            boxes.add((int(rows[0]), int(columns[0]), len(rows), len(columns)))
    assert len(boxes) > 30  # each sample has its own
    assert {top > 0 for top, *_ in boxes} == {True, False}


@BOTH
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_the_loss_is_the_lambda_combination_of_hard_label_losses(mix, dtype, tolerance) -> None:
    batch = paired(make_batch(12, dtype))
    got, lam = mixed(mix, batch), float(kept(mixed(mix, paired(make_batch(12))))[0])
    logits = torch.randn(12, 12, generator=torch.Generator().manual_seed(1), dtype=dtype) * 3
    own = F.cross_entropy(logits, batch.labels)
    others = F.cross_entropy(logits, batch.labels.roll(1))
    expected = lam * own + (1 - lam) * others
    assert float(CrossEntropy()(logits, got)) == pytest.approx(float(expected), rel=tolerance)


CDFS: dict[float, Callable[[np.ndarray], np.ndarray]] = {
    1.0: lambda x: x,
    0.5: lambda x: 2 / math.pi * np.arcsin(np.sqrt(x)),
    2.0: lambda x: 3 * x**2 - 2 * x**3,
}


def distance(draws: np.ndarray, cdf: Callable[[np.ndarray], np.ndarray]) -> float:
    """Kolmogorov and Smirnov's distance, as a multiple of its bound at 1%."""
    values, steps = cdf(np.sort(draws)), np.arange(len(draws) + 1) / len(draws)
    return float(max((steps[1:] - values).max(), (values - steps[:-1]).max())) * (
        math.sqrt(len(draws)) / 1.63
    )


@pytest.mark.slow
@pytest.mark.parametrize("alpha", CDFS)
def test_lambda_follows_the_beta_distribution_over_steps_and_over_samples(alpha: float) -> None:
    batch = make_batch(2)
    steps = [
        float(kept(mixed(blend, paired(batch), CLOCK.at(t), alpha=alpha))[0]) for t in range(1_000)
    ]
    samples = draw_lambda(
        Pairs(replace(batch, labels=torch.zeros(1_000), step_images=1_000), CLOCK, "sample"), alpha
    )
    assert distance(np.array(steps), CDFS[alpha]) < 1
    assert distance(samples, CDFS[alpha]) < 1
    assert distance(np.array(steps), CDFS[2.0 if alpha != 2.0 else 1.0]) > 1  # the test can fail


def test_a_large_alpha_mixes_by_halves() -> None:
    assert float(kept(mixed(blend, paired(make_batch()), alpha=1e8))[0]) == pytest.approx(
        0.5, abs=1e-3
    )


@BOTH
def test_alpha_zero_returns_the_batch(mix: Mixer) -> None:
    batch = make_batch()
    assert mixed(mix, batch, alpha=0.0) is batch


@BOTH
@PERS
def test_independent_partners_make_a_step_the_same_however_it_is_cut(mix, per) -> None:
    whole = paired(make_batch(24))
    assert whole.partner is not None
    expected = mixed(mix, whole, per=per)
    for cuts in ((8, 16), (2, 9), (12,)):
        parts = []
        for start, stop in itertools.pairwise([0, *cuts, 24]):
            part = slice(start, stop)
            second = replace(
                whole.partner, images=whole.partner.images[part], labels=whole.partner.labels[part]
            )
            micro = replace(
                whole,
                images=whole.images[part],
                labels=whole.labels[part],
                partner=second,
                start=start,
            )
            parts.append(mixed(mix, micro, per=per))
        assert torch.equal(torch.cat([p.images for p in parts]), expected.images)
        assert expected.targets is not None
        assert torch.equal(
            torch.cat([p.targets for p in parts if p.targets is not None]), expected.targets
        )


@BOTH
def test_the_same_step_is_mixed_the_same_way_again_and_the_input_is_not_changed(mix: Mixer) -> None:
    targets = torch.full((16, 16), 1 / 16, dtype=torch.float64)
    batch = replace(make_batch(), targets=targets.clone())
    images = batch.images.clone()
    first, second = (mixed(mix, batch) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert not torch.equal(first.images, images)
    assert torch.equal(batch.images, images)
    assert batch.targets is not None
    assert torch.equal(batch.targets, targets)
    assert torch.equal(batch.labels, first.labels)


@BOTH
@PERS
def test_type_and_layout_are_kept(mix: Mixer, per: Per) -> None:
    batch = make_batch(dtype=torch.float32)
    batch = replace(batch, images=batch.images.contiguous(memory_format=torch.channels_last))
    got = mixed(mix, batch, per=per)
    assert got.targets is not None
    assert got.images.dtype == got.targets.dtype == torch.float32
    assert got.images.is_contiguous(memory_format=torch.channels_last)


def oracle(transform: v2.Transform, lam: float, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """What torchvision's transform makes of a batch, given lambda; it pairs with the neighbour."""
    transform._dist = SimpleNamespace(sample=lambda shape: torch.tensor(lam, dtype=torch.float64))
    images, targets = transform(batch.images, batch.labels)
    return images, targets.double()


@pytest.mark.parametrize("step", range(6))
def test_both_are_those_of_torchvision_given_lambda_place_and_pairing(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, clock = paired(make_batch(16)), CLOCK.at(step)
    lam = float(draw_lambda(Pairs(batch, clock), 1.0)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mixup, cutmix = v2.MixUp(alpha=1.0, num_classes=16), v2.CutMix(alpha=1.0, num_classes=16)
    centre = Pairs(batch, clock).each("centre", lambda g, n: g.random((n, 2)))[0]
    # it draws the column first, then the row
    drawn = iter([torch.tensor([int(centre[1] * 7)]), torch.tensor([int(centre[0] * 6)])])
    monkeypatch.setattr(torch, "randint", lambda *_, **__: next(drawn))
    for mix, transform in ((blend, mixup), (paste, cutmix)):
        got, (images, targets) = mixed(mix, batch, clock), oracle(transform, lam, batch)
        torch.testing.assert_close(got.images, images, rtol=1e-12, atol=1e-12)
        assert got.targets is not None
        torch.testing.assert_close(got.targets, targets, rtol=1e-6, atol=1e-7)
