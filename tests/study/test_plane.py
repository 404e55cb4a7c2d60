"""The plane of the principal components of weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.study.plane import plane_of


def test_the_average_of_a_trajectory_lies_in_its_plane_and_at_its_origin() -> None:
    torch.manual_seed(0)
    steps = torch.randn(9, 40, dtype=torch.float64).cumsum(0)
    points, axes, centre = plane_of(steps)
    torch.testing.assert_close(centre, steps.mean(0))
    np.testing.assert_allclose(points.mean(0), 0.0, atol=1e-12)
    torch.testing.assert_close(axes @ axes.T, torch.eye(2, dtype=torch.float64))
    # no other two directions hold more of it
    spread = torch.linalg.svdvals(steps - centre) ** 2
    assert (points**2).sum() == pytest.approx(float(spread[:2].sum()))
    flat = centre + torch.from_numpy(points) @ axes
    again, _, _ = plane_of(flat)
    np.testing.assert_allclose(np.abs(again), np.abs(points), atol=1e-9)
