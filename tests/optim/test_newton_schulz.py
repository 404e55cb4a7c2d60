"""The Newton-Schulz iteration, in batches of one shape."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.optim._newton_schulz import orthogonalize


def matrices(*shapes: tuple[int, int], dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def by_numpy(g: np.ndarray, steps: int) -> np.ndarray:
    """The iteration as its author's post writes it, on one matrix."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (np.linalg.norm(g) + 1e-7)
    if g.shape[0] > g.shape[1]:
        x = x.T
    for _ in range(steps):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x.T if g.shape[0] > g.shape[1] else x


def test_one_number_by_hand() -> None:
    # of a 1x1 matrix only the sign is left: x = 1, then 3.4445 - 4.7750 + 2.0315 = 0.701
    (got,) = orthogonalize([torch.tensor([[-250.0]], dtype=torch.float64)], 1)
    assert float(got) == pytest.approx(-0.701, rel=1e-8)


@pytest.mark.parametrize("steps", [1, 5])
def test_parity_with_the_equations(steps: int) -> None:
    given = matrices((4, 4), (3, 7), (7, 3), (1, 5), (5, 1))
    for mine, g in zip(orthogonalize(given, steps), given, strict=True):
        np.testing.assert_allclose(mine, by_numpy(g.numpy(), steps), rtol=1e-11, atol=1e-13)


def test_a_batch_equals_one_by_one_and_keeps_the_order() -> None:
    given = matrices((3, 5), (2, 2), (5, 3), (3, 5), (2, 2), (4, 1))
    together = orthogonalize(given, 5)
    assert [x.shape for x in together] == [g.shape for g in given]
    for x, g in zip(together, given, strict=True):
        torch.testing.assert_close(x, orthogonalize([g], 5)[0], rtol=1e-12, atol=1e-14)


def test_one_batch_for_each_shape(monkeypatch) -> None:
    calls: list[tuple[int, ...]] = []
    products = torch.baddbmm

    def counted(x: torch.Tensor, *others: torch.Tensor, **scales: float) -> torch.Tensor:
        calls.append(tuple(x.shape))
        return products(x, *others, **scales)

    monkeypatch.setattr(torch, "baddbmm", counted)
    orthogonalize(matrices((3, 5), (5, 3), (3, 5), (2, 2)), 1)
    assert calls == [(3, 3, 3), (3, 3, 5), (1, 2, 2), (1, 2, 2)]


def test_singular_values_come_near_one_and_directions_stay() -> None:
    given = matrices((8, 20), (20, 8), dtype=torch.float32)
    for x, g in zip(orthogonalize(given, 5), given, strict=True):
        values = torch.linalg.svdvals(x)
        assert values.min() > 0.65
        assert values.max() < 1.25
        u, _, vh = torch.linalg.svd(g, full_matrices=False)
        middle = u.T @ x @ vh.T  # diagonal: the singular vectors are those of the matrix
        assert (middle - middle.diag().diag()).abs().max() < 1e-4


def test_in_bfloat16_it_is_as_good_and_comes_back_in_the_matrices_type() -> None:
    (g,) = matrices((8, 20), dtype=torch.float32)
    (exact,), (rounded,) = orthogonalize([g], 5), orthogonalize([g], 5, torch.bfloat16)
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, rtol=0.0, atol=0.05)


def test_zeros_stay_zeros() -> None:
    (got,) = orthogonalize([torch.zeros(3, 4)], 5)
    assert torch.equal(got, torch.zeros(3, 4))
