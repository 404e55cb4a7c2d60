"""Stored images become what a network takes: (image / 255 - mean) / std per channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data._normalize import Normalize
from trainer.data.base import Batch

CPU = torch.device("cpu")


def make(mean, std, dtype=torch.float32, memory_format=torch.contiguous_format) -> Normalize:
    return Normalize.of(mean, std, device=CPU, dtype=dtype, memory_format=memory_format)


def batch_of(images: torch.Tensor) -> Batch:
    return Batch(images, torch.arange(len(images)), 10, step_images=len(images))


def test_by_hand() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    got = make((0.2,), (0.5,))(batch_of(images)).images
    assert got.flatten().tolist() == pytest.approx([-0.4, 0.0, 1.6], abs=1e-6)


@pytest.mark.slow
@settings(derandomize=True, max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=1, max_size=4),
    st.integers(0, 999),
)
def test_parity_with_numpy(statistics: list[tuple[float, float]], seed: int) -> None:
    mean, std = (tuple(column) for column in zip(*statistics, strict=True))
    images = np.random.default_rng(seed).integers(0, 256, (3, len(mean), 4, 5), dtype=np.uint8)
    shape = (1, -1, 1, 1)
    expected = (images / 255 - np.reshape(mean, shape)) / np.reshape(std, shape)
    got = make(mean, std, torch.float64)(batch_of(torch.from_numpy(images))).images
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-11)


def test_own_statistics_give_mean_zero_and_deviation_one() -> None:
    images = torch.randint(0, 256, (50, 3, 6, 6), generator=torch.Generator().manual_seed(0)).byte()
    scaled = images.double() / 255
    mean, std = scaled.mean((0, 2, 3)), scaled.std((0, 2, 3), correction=0)
    got = make(tuple(mean.tolist()), tuple(std.tolist()), torch.float64)(batch_of(images)).images
    assert got.mean((0, 2, 3)).tolist() == pytest.approx([0.0] * 3, abs=1e-12)
    assert got.std((0, 2, 3), correction=0).tolist() == pytest.approx([1.0] * 3, rel=1e-12)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("stored", [torch.uint8, torch.float32, torch.float64])
def test_type_and_layout_come_out_and_the_input_is_not_changed(
    memory_format, dtype, stored
) -> None:
    images = (torch.arange(2 * 3 * 4 * 4).view(2, 3, 4, 4) % 256).to(stored)
    images = images.contiguous(memory_format=memory_format)
    before, batch = images.clone(), batch_of(images)
    got = make((0.5,) * 3, (0.25,) * 3, dtype, memory_format)(batch)
    assert got.images.dtype == dtype
    assert got.images.is_contiguous(memory_format=memory_format)
    assert torch.equal(images, before)
    assert got.labels is batch.labels
    assert got.step_images == batch.step_images


def test_a_partner_is_normalised_alike() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    batch = replace(batch_of(images), partner=batch_of(images.flip(-1)))
    got = make((0.2,), (0.5,))(batch)
    assert got.partner is not None
    assert torch.equal(got.partner.images, got.images.flip(-1))
