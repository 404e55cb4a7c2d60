"""Training means weigh every image alike; evaluation counts exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainer.core.errors import Diverged
from trainer.data.base import Batch
from trainer.metrics import Meter, Scores, Tally, check_weights, guessing

CPU = torch.device("cpu")


def meter_of(steps: int, first: int = 0, dtype: torch.dtype = torch.float64) -> Meter:
    return Meter(first, steps, device=CPU, dtype=dtype)


def batch_of(labels: list[int], num_classes: int, **keys) -> Batch:
    count = len(labels)
    return Batch(torch.zeros(count, 1, 1, 1), torch.tensor(labels), num_classes, **keys)


def loss_of(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def sure_of(*labels: int, num_classes: int = 3) -> torch.Tensor:
    return F.one_hot(torch.tensor(labels), num_classes).double()


def test_means_weigh_steps_by_their_images() -> None:
    meter = meter_of(2)
    meter.open(4)  # a step of two micro-batches, their losses shares of its mean 1.0
    meter.add(loss_of(0.25), sure_of(0), batch_of([0], 3))
    meter.add(loss_of(0.75), sure_of(1, 2, 0), batch_of([1, 2, 1], 3))
    meter.open(1)
    meter.add(loss_of(6.0), sure_of(2), batch_of([1], 3))
    got = meter.reduce(torch.clone)
    assert got.loss == pytest.approx((4 * 1.0 + 1 * 6.0) / 5)
    assert got.top1 == pytest.approx(3 / 5)
    assert got.num_images == 5


def test_soft_targets_count_the_mass_on_the_predicted_class() -> None:
    meter = meter_of(1)
    meter.open(2)
    targets = torch.tensor([[0.7, 0.3, 0.0], [0.1, 0.2, 0.7]], dtype=torch.float64)
    meter.add(loss_of(1.0), sure_of(1, 2), batch_of([0, 0], 3, targets=targets))
    assert meter.reduce(torch.clone).top1 == pytest.approx((0.3 + 0.7) / 2)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(2, 8), st.floats(0, 1), st.integers(0, 999))
def test_it_is_the_lambda_weighted_accuracy_of_mixed_labels(num_classes, lam, seed) -> None:
    generator = torch.Generator().manual_seed(seed)
    own, other = torch.randint(0, num_classes, (2, 20), generator=generator)
    logits = torch.randn(20, num_classes, generator=generator)
    targets = lam * F.one_hot(own, num_classes) + (1 - lam) * F.one_hot(other, num_classes)
    meter = meter_of(1)
    meter.open(20)
    meter.add(loss_of(0.0), logits, batch_of(own.tolist(), num_classes, targets=targets.double()))
    guess = logits.argmax(1)
    expected = lam * (guess == own).double().mean() + (1 - lam) * (guess == other).double().mean()
    assert meter.reduce(torch.clone).top1 == pytest.approx(float(expected), abs=1e-6)


def test_training_and_evaluation_break_ties_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(500, 100, generator=generator).bfloat16().div(2).round().clamp(max=1)
    labels = torch.randint(0, 100, (500,), generator=generator)
    ties = (logits == logits.max(1, keepdim=True).values).sum(1)
    assert (ties > 1).all()
    firsts = [row.index(max(row)) for row in logits.tolist()]  # the lower class
    orders = [sorted(range(100), key=lambda k: (-row[k], k))[:5] for row in logits.tolist()]
    labels[:100] = torch.tensor(firsts[:100])
    labels[100:200] = torch.tensor([order[4] for order in orders[100:200]])
    top1 = sum(a == b for a, b in zip(firsts, labels.tolist(), strict=True)) / 500
    top5 = sum(b in order for order, b in zip(orders, labels.tolist(), strict=True)) / 500
    meter = meter_of(1)
    meter.open(500)
    meter.add(loss_of(0.0), logits, batch_of(labels.tolist(), 100))
    tally = Tally(CPU)
    tally.add(logits, labels)
    scores = tally.reduce(torch.clone, 100)
    assert scores is not None
    assert (scores.top1, scores.top5) == (top1, top5)
    assert meter.reduce(torch.clone).top1 == top1
    assert (0.2 <= top1 < 0.25, 0.4 <= top5 < 0.5) == (True, True)


def test_part_of_an_epoch_is_averaged_over_that_part() -> None:
    meter = meter_of(10)
    for value in (1.0, 3.0):
        meter.open(8)
        meter.add(loss_of(value), sure_of(0), batch_of([0], 3))
    got = meter.reduce(torch.clone)
    assert (got.loss, got.num_images) == (2.0, 16)


def test_two_processes_add_up() -> None:
    mine, theirs = meter_of(2), meter_of(2)
    for meter, scale in ((mine, 1.0), (theirs, 2.0)):
        for step in range(2):
            meter.open(4)  # the step's images over both processes
            meter.add(loss_of(scale * (step + 1)), sure_of(0, 1), batch_of([0, 0], 3))
    others = iter([theirs.losses, theirs.hits])
    got = mine.reduce(lambda tensor: tensor + next(others))
    assert got.loss == pytest.approx((3.0 + 6.0) / 2)
    assert got.top1 == pytest.approx(4 / 8)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_first_step_whose_loss_is_not_finite_is_named(bad: float) -> None:
    meter = meter_of(4, first=30)
    for value in (1.0, 2.0, bad, bad):
        meter.open(2)
        meter.add(loss_of(value), sure_of(0), batch_of([0], 3))
    with pytest.raises(Diverged, match=r"the loss at step 32 is not finite") as caught:
        meter.reduce(torch.clone)
    assert caught.value.step == 32


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_named_with_the_last_step(bad: float) -> None:
    meter = meter_of(2, first=30)
    for _ in range(2):
        meter.open(2)
        meter.add(loss_of(1.0), sure_of(0), batch_of([0], 3))
    meter.grad_norm = torch.tensor(bad)
    with pytest.raises(Diverged, match=r"the gradient at step 31 is not finite"):
        meter.reduce(torch.clone)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_named(bad: float) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    check_weights(model.parameters(), 8)
    with torch.no_grad():
        model[1].weight[1, 0] = bad
    with pytest.raises(Diverged, match=r"weight at step 8 is not finite"):
        check_weights(model.parameters(), 8)


def test_large_finite_weights_are_not_divergence() -> None:
    check_weights([nn.Parameter(torch.full((4,), 3e38))], 0)  # their squares would overflow


def test_saved_and_loaded_in_mid_epoch_it_goes_on_bit_for_bit() -> None:
    losses = torch.rand(6, generator=torch.Generator().manual_seed(0))

    def go_on(meter: Meter, start: int, end: int) -> None:
        for value in losses[start:end]:
            meter.open(3)
            meter.add(value, sure_of(0, 1), batch_of([0, 2], 3))

    straight = meter_of(6, first=12, dtype=torch.float32)
    go_on(straight, 0, 6)
    first = meter_of(6, first=12, dtype=torch.float32)
    go_on(first, 0, 4)
    second = meter_of(2, first=16, dtype=torch.float32)  # as assembled at the step it resumes from
    second.load_state_dict(first.state_dict())
    go_on(second, 4, 6)
    assert second.first == 12
    assert second.reduce(torch.clone) == straight.reduce(torch.clone)


@pytest.mark.slow
@settings(derandomize=True, max_examples=50, deadline=None)
@given(st.integers(2, 15), st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 99))
def test_an_evaluation_counts_exactly_what_numpy_counts(num_classes, sizes, seed) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.permuted(np.tile(np.arange(num_classes), (sum(sizes), 1)), axis=1) * 0.37
    labels = rng.integers(0, num_classes, sum(sizes))
    tally = Tally(CPU)
    cuts = np.cumsum(sizes)[:-1]
    for some, theirs in zip(np.split(logits, cuts), np.split(labels, cuts), strict=True):
        tally.add(torch.from_numpy(some), torch.from_numpy(theirs))
    got = tally.reduce(torch.clone, num_classes)
    assert got is not None
    order = np.argsort(-logits, axis=1)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    count = len(labels)
    assert got.num_images == count
    assert got.top1 == int((order[:, 0] == labels).sum()) / count
    assert got.loss == pytest.approx(-log_p[np.arange(count), labels].mean(), rel=1e-12)
    if num_classes > 5:
        assert got.top5 == int((order[:, :5] == labels[:, None]).any(1).sum()) / count
    else:
        assert got.top5 is None


def test_an_evaluation_by_hand() -> None:
    logits = torch.tensor([[7.0, 6, 5, 4, 3, 2, 1]] * 4)
    tally = Tally(CPU)
    tally.add(logits, torch.tensor([0, 4, 5, 6]))
    got = tally.reduce(torch.clone, 7)
    assert got is not None
    assert (got.top1, got.top5, got.num_images) == (0.25, 0.5, 4)


@pytest.mark.parametrize(("num_classes", "top5"), [(2, None), (5, None), (6, 1.0)])
def test_top5_is_absent_where_every_guess_would_hit(num_classes: int, top5: float | None) -> None:
    tally = Tally(CPU)
    tally.add(
        torch.arange(num_classes).flip(0).float().view(1, -1), torch.tensor([4 % num_classes])
    )
    got = tally.reduce(torch.clone, num_classes)
    assert got is not None
    assert got.top5 == top5


def test_no_images_no_scores() -> None:
    assert Tally(CPU).reduce(torch.clone, 10) is None


def test_processes_add_up_and_one_may_have_no_images() -> None:
    whole, part, empty = Tally(CPU), Tally(CPU), Tally(CPU)
    logits = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(9) % 6
    whole.add(logits, labels)
    part.add(logits[:5], labels[:5])
    rest = Tally(CPU)
    rest.add(logits[5:], labels[5:])
    others = iter([rest.counts, rest.loss])
    got = part.reduce(lambda t: t + next(others), 6)
    expected = whole.reduce(torch.clone, 6)
    assert got is not None
    assert expected is not None
    assert (got.top1, got.top5, got.num_images) == (expected.top1, expected.top5, 9)
    assert got.loss == pytest.approx(expected.loss, rel=1e-6)
    others = iter([whole.counts, whole.loss])
    assert empty.reduce(lambda t: t + next(others), 6) == expected


def test_low_precision_logits_are_widened() -> None:
    logits = torch.randn(50, 10, generator=torch.Generator().manual_seed(0)).bfloat16()
    labels, low, wide = torch.arange(50) % 10, Tally(CPU), Tally(CPU)
    low.add(logits, labels)
    wide.add(logits.float(), labels)
    assert low.reduce(torch.clone, 10) == wide.reduce(torch.clone, 10)


@pytest.mark.parametrize(
    ("loss", "top1", "counts", "said"),
    [
        (3783.0, 0.34, (33, 34, 33), "loss 3783 and accuracy 34.0% are no better than guessing"),
        (1.2, 0.0, (1, 1, 1), "loss 1.2 and accuracy 0.0% are no better than guessing (1.099 and"),
        (1.0, 0.3, (1, 1, 1), None),  # unsure, and right not to be sure
        (3783.0, 0.43, (33, 34, 33), "loss 3783 and accuracy 43.0% are no"),  # 2 errors: 43.5%
        (3783.0, 0.44, (33, 34, 33), None),  # overfitted, and better than chance
        (
            0.9,
            0.95,
            (90, 10),
            "loss 0.9 and accuracy 95.0% are no better than guessing (0.6931 and",
        ),
        (0.3, 0.9, (90, 10), None),
    ],
)
def test_scores_that_are_no_better_than_a_guess_are_told(loss, top1, counts, said) -> None:
    found = guessing(Scores(loss, top1, None, sum(counts)), counts)
    assert found is None if said is None else (found or "").startswith(said)
    assert guessing(None, counts) is None
