"""Test-time augmentation: which views, with which weights, and that only evaluations see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.command import TINY, Call
from trainer.augment._tta import VIEWS, choose_views
from trainer.config.run_config import HINTS
from trainer.core.errors import ConfigError

WEIGHTS = {"none": 1, "flip": 2, "flip_translate": 6}


class Recorder(nn.Module):
    """A linear network that remembers what it was asked."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.weight = torch.randn(int(np.prod(shape)), 3, generator=generator, dtype=dtype)
        self.asked: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.asked.append(images.clone())
        return images.flatten(1) @ self.weight


def images_of(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def test_the_names_are_those_of_the_configuration() -> None:
    assert tuple(VIEWS) == get_args(HINTS["tta"])


def test_none_is_the_model_s_own_answer_bit_for_bit() -> None:
    images, model = images_of(4, 2, 5, 5, dtype=torch.float32), Recorder((2, 5, 5), torch.float32)
    assert torch.equal(VIEWS["none"](model, images), model(images))


def test_flip_by_hand() -> None:
    def first_column(images: torch.Tensor) -> torch.Tensor:
        return images[:, 0, 0, :1]

    images = torch.tensor([[[[1.0, 5.0, 9.0]]]])
    assert VIEWS["flip"](first_column, images).tolist() == [[5.0]]  # (1 + 9) / 2


def test_the_six_views_by_hand() -> None:
    rows = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    model = Recorder((1, 3, 3), torch.float32)
    VIEWS["flip_translate"](model, rows[None, None])
    down_right = torch.tensor([[5.0, 4, 5], [2, 1, 2], [5, 4, 5]])  # borders reflected
    up_left = torch.tensor([[5.0, 6, 5], [8, 9, 8], [5, 6, 5]])
    views = [v[0, 0].tolist() for v in model.asked]
    expected = [v for image in (down_right, up_left, rows) for v in (image, image.flip(-1))]
    assert sorted(views) == sorted(v.tolist() for v in expected)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.integers(2, 7), st.integers(2, 7), st.integers(1, 3))
def test_flip_translate_agrees_with_numpy(height: int, width: int, channels: int) -> None:
    images, model = images_of(3, channels, height, width), Recorder((channels, height, width))
    got = VIEWS["flip_translate"](model, images)
    array, weight = images.numpy(), model.weight.numpy()
    padded = np.pad(array, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    views = [
        (0.25, array),
        (0.125, padded[:, :, :height, :width]),
        (0.125, padded[:, :, 2:, 2:]),
    ]
    expected = sum(
        share * (v.reshape(3, -1) @ weight + v[..., ::-1].reshape(3, -1) @ weight)
        for share, v in views
    )
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", VIEWS)
def test_the_weights_of_the_views_sum_to_one(name: str) -> None:
    calls = []

    def constant(images: torch.Tensor) -> torch.Tensor:
        calls.append(images.shape)
        return torch.full((len(images), 3), 7.0)

    assert torch.equal(VIEWS[name](constant, images_of(2, 1, 4, 6)), torch.full((2, 3), 7.0))
    assert calls == [(2, 1, 4, 6)] * WEIGHTS[name]


def test_flip_gives_a_mirrored_image_the_same_logits() -> None:
    images, model = images_of(2, 1, 4, 5), Recorder((1, 4, 5))
    mirrored = VIEWS["flip"](model, images.flip(-1))
    assert torch.equal(VIEWS["flip"](model, images), mirrored)


@pytest.mark.parametrize("name", ["flip", "flip_translate"])
def test_half_logits_are_averaged_in_float32(name: str) -> None:
    model = Recorder((1, 4, 4), torch.bfloat16)
    assert VIEWS[name](model, images_of(2, 1, 4, 4).bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "shape", "num_evaluated", "message"),
    [
        ("flip", (1, 8, 1), 5, "at least 2 pixels"),
        ("flip_translate", (1, 1, 8), 5, "at least 2 pixels"),
        ("flip", (1, 8, 8), 0, "nothing to act on"),
    ],
)
def test_a_choice_without_effect_is_refused(name, shape, num_evaluated, message) -> None:
    with pytest.raises(ConfigError, match=f"tta={name}.*{message}"):
        choose_views(name, shape, num_evaluated)
    assert choose_views("none", shape, num_evaluated) is VIEWS["none"]


def test_a_column_of_pixels_can_be_mirrored() -> None:
    assert choose_views("flip", (1, 1, 2), 1) is VIEWS["flip"]


@pytest.mark.slow
def test_the_whole_program_evaluates_by_views_and_trains_as_without(call: Call, here: Path) -> None:
    from trainer.api import compose
    from trainer.checkpoint.format import newest
    from trainer.core.environment import World
    from trainer.run.assemble import assemble
    from trainer.run.device import prepare

    overrides = (*TINY, "average=ema")
    for name in ("none", "flip_translate"):
        ended = call(*overrides, f"tta={name}", f"hydra.run.dir={name}")
        assert ended.code == 0, ended.err
    plain, viewed = (
        json.loads((here / name / "summary.json").read_text())
        for name in ("none", "flip_translate")
    )
    assert plain["weights_sha256"] == viewed["weights_sha256"]
    assert plain["key"] != viewed["key"]
    for scores in ("test", "test_avg"):
        assert plain[scores]["loss"] != viewed[scores]["loss"]
    first = [
        json.loads((here / name / "metrics.jsonl").read_text().splitlines()[0])
        for name in ("none", "flip_translate")
    ]
    assert first[0]["train_loss"] == first[1]["train_loss"]
    assert first[0]["val_loss"] != first[1]["val_loss"]

    config = compose(*overrides, "tta=flip_translate")
    run, _ = assemble(config, *prepare(config, World()))
    checkpoint, _ = newest(here / "flip_translate" / "checkpoints")
    assert checkpoint is not None
    run.model.load_state_dict(checkpoint.weights())
    run.model.eval()
    batches = [run.ready(batch) for batch in run.data.test_batches()]
    images, labels = (torch.cat([getattr(b, k) for b in batches]) for k in ("images", "labels"))
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1), "reflect")
    views = [(2, images), (1, padded[..., 2:, 2:]), (1, padded[..., :-2, :-2])]
    with torch.no_grad():
        logits = sum(w / 8 * (run.model(v) + run.model(v.flip(-1))) for w, v in views)
    expected = torch.nn.functional.cross_entropy(logits, labels)
    assert viewed["test"]["loss"] == pytest.approx(float(expected), rel=1e-5)
    assert viewed["test"]["top1"] == float((logits.argmax(1) == labels).double().mean())


@pytest.mark.slow
def test_bad_words_are_refused(call: Call) -> None:
    ended = call(*TINY, "tta=flop")
    assert ended.code == 2
    assert "unknown tta 'flop'; did you mean 'flip'?" in ended.err
    ended = call(*TINY, "tta=flip", "data.val=0", "report_test=false")
    assert ended.code == 2
    assert "nothing to act on" in ended.err
