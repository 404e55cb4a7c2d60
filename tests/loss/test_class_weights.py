"""Weights of classes: as scikit-learn balances them, with every kind of target, over any cut of a
batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.command import TINY, Call
from tests.training import assembled, trained
from trainer import compose
from trainer.config.compare import decisive_values
from trainer.core.errors import ConfigError
from trainer.data.base import Batch
from trainer.loop import evaluate, fit
from trainer.loss._class_weights import ClassWeights
from trainer.loss.cross_entropy import CrossEntropy

COUNTS = st.lists(st.integers(1, 50), min_size=2, max_size=6)


@dataclass
class Images:
    """What a loss is told of the images."""

    class_counts: Sequence[int]

    @property
    def classes(self) -> list[str]:
        return [f"class {i}" for i in range(len(self.class_counts))]


def batch_of(labels: Sequence[int], num_classes: int, targets: torch.Tensor | None = None) -> Batch:
    return Batch(torch.zeros(len(labels), 1, 1, 1), torch.tensor(labels), num_classes, targets)


def logits_of(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(COUNTS)
def test_balanced_is_scikit_learn_s_and_any_list_has_mean_one(counts: list[int]) -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.repeat(np.arange(len(counts)), counts)
    classes = [str(i) for i in range(len(counts))]
    found = ClassWeights("balanced").of(classes, counts)
    assert found is not None
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    numbers = tuple(float(n + 1) for n in range(len(counts)))
    listed = ClassWeights("list", numbers).of(classes, counts)
    assert listed is not None
    assert float(listed[labels].mean()) == pytest.approx(1.0)
    assert (listed / listed[0]).tolist() == pytest.approx([n / numbers[0] for n in numbers])


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(COUNTS, st.floats(0, 0.9), st.randoms())
def test_the_loss_is_torch_s_over_the_training_images_and_in_every_part_of_them(
    counts: list[int], smoothing: float, random: object
) -> None:
    labels = [k for k, count in enumerate(counts) for _ in range(count)]
    random.shuffle(labels)  # type: ignore[attr-defined]
    num, logits = len(counts), logits_of(len(labels), len(counts))
    loss = CrossEntropy(smoothing, ClassWeights("balanced")).build(Images(counts))  # type: ignore[arg-type]
    weights = torch.tensor([len(labels) / (num * count) for count in counts], dtype=torch.float64)
    whole = float(loss(logits, batch_of(labels, num)))
    # over all images the sum of weights that torch divides by is their number
    expected = F.cross_entropy(logits, torch.tensor(labels), weights, label_smoothing=smoothing)
    assert whole == pytest.approx(float(expected))
    one_hot = F.one_hot(torch.tensor(labels), num).double()
    assert float(loss(logits, batch_of(labels, num, one_hot))) == pytest.approx(whole)
    cut = max(1, len(labels) // 3)
    parts = [slice(0, cut), slice(cut, None)]
    sums = [
        float(loss(logits[part], batch_of(labels[part], num))) * len(labels[part])
        for part in parts
        if labels[part]
    ]
    assert sum(sums) / len(labels) == pytest.approx(whole)


def test_mixed_targets_by_hand() -> None:
    """0.25 of a class with weight 2/3 and 0.75 of one with weight 2, at equal probabilities."""
    loss = CrossEntropy(class_weights=ClassWeights("balanced")).build(Images([3, 1]))  # type: ignore[arg-type]
    mixed = batch_of([0], 2, torch.tensor([[0.25, 0.75]], dtype=torch.float64))
    got = float(loss(torch.zeros(1, 2, dtype=torch.float64), mixed))
    assert got == pytest.approx((0.25 * 2 / 3 + 0.75 * 2) * np.log(2))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("balance", "must be none, balanced, or a list"),
        ("[]", "must be none, balanced, or a list"),
        ("3", "must be none, balanced, or a list"),
        ("[1,2,0]", "must hold positive numbers, one for each class, got 0"),
        ("[1,-2]", "got -2"),
        ("[1,a]", "got 'a'"),
        ("[1,true]", "got True"),
        ("[1,.inf]", "loss.class_weights"),
        ("[1,2]", "loss.class_weights has 2 weights for 10 classes: 0, 1, 2"),
    ],
)
def test_wrong_weights_are_refused_in_one_line(call: Call, value: str, told: str) -> None:
    done = call(*TINY, f"loss.class_weights={value}", "hydra.run.dir=run")
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1


@pytest.mark.slow
def test_what_would_have_no_effect_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing left to balance"):
        compose(*TINY, "loss.class_weights=balanced", "data.balance=oversample")
    teacher = ("loss=distill", "loss.teacher=t.safetensors", "loss.teacher_model=mlp")
    with pytest.raises(ConfigError, match=r"loss.class_weights=balanced has no effect with loss.l"):
        compose(*TINY, *teacher, "loss.label_weight=0", "loss.class_weights=balanced")
    with pytest.raises(ConfigError, match="no training image of b"):
        ClassWeights("balanced").of(["a", "b"], [3, 0])


def test_the_neutral_value_is_no_part_of_a_result() -> None:
    config = compose(*TINY, "data.balance=none", "loss.class_weights=none")
    assert not {"data.balance", "loss.class_weights"} & set(decisive_values(config, ()))
    keys = CrossEntropy(0.1)
    assert keys.build(Images([1, 9])) is keys  # type: ignore[arg-type]


@pytest.mark.slow
def test_equal_weights_are_the_plain_loss_and_others_leave_the_evaluation_alone() -> None:
    plain = trained()
    assert trained("loss.class_weights=[3,3,3,3,3,3,3,3,3,3]") == plain
    assert trained("loss.class_weights=[9,1,1,1,1,1,1,1,1,1]") != plain
    scores = []
    for words in ((), ("loss.class_weights=[9,1,1,1,1,1,1,1,1,1]",)):
        with assembled(*TINY, *words) as run:
            scores.append(evaluate(run, run.model, run.data.val_batches()))
    assert scores[0] == scores[1]


@pytest.mark.slow
def test_micro_batches_are_the_batch() -> None:
    """In float64 and without BatchNorm, up to the order of sums."""
    weights = []
    for parts in (1, 4):
        words = ("precision=fp64", "model.norm=none", f"accumulate={parts}")
        more = ("loss.class_weights=[9,1,2,1,1,1,1,1,1,1]", "mix=mixup", "mix.partners=independent")
        with assembled(*TINY, *words, *more, "loss.label_smoothing=0.1") as run:
            list(fit(run))
            weights.append(torch.cat([p.detach().flatten() for p in run.model.parameters()]))
    assert torch.allclose(*weights, rtol=0, atol=1e-12)
