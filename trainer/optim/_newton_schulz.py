"""The nearest orthogonal matrix, nearly, by products alone."""

from collections import defaultdict

import torch

# Of K. Jordan: they bring singular values near 1 in few steps, between about 0.7 and 1.2 for good.
A, B, C = 3.4445, -4.7750, 2.0315
EPS = 1e-7  # for a matrix of zeros, which stays one


def orthogonalize(
    matrices: list[torch.Tensor], steps: int, dtype: torch.dtype | None = None
) -> list[torch.Tensor]:
    """Return each matrix U S V^T with its singular values S brought near 1.

    The quintic Newton-Schulz iteration X <- aX + b(XX^T)X + c(XX^T)^2 X. Matrices of one shape,
    tall ones transposed, are one batch: a few products, however many layers there are.

    Args:
        matrices: (R, C) each.
        steps: iterations.
        dtype: of the products; None is the matrices' own.

    Returns:
        As many, of the same shapes and type.
    """
    by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, matrix in enumerate(matrices):
        by_shape[tuple(sorted(matrix.shape))].append(i)
    found = list(matrices)
    for indices in by_shape.values():
        wide = [matrices[i] if is_wide(matrices[i]) else matrices[i].mT for i in indices]
        batch = torch.stack(wide)  # (N, R, C)
        x = batch.to(dtype or batch.dtype)
        x = x / (torch.linalg.matrix_norm(x, keepdim=True) + EPS)  # no singular value is above 1
        for _ in range(steps):
            gram = x @ x.mT  # (N, R, R)
            x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
        for i, made in zip(indices, x.to(batch.dtype), strict=True):
            found[i] = made if is_wide(matrices[i]) else made.mT
    return found


def is_wide(matrix: torch.Tensor) -> bool:
    """Return whether a matrix has at least as many columns as rows."""
    return matrix.shape[0] <= matrix.shape[1]
