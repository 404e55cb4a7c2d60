"""The plane, its grid, and directions, as geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainer.core.errors import ConfigError
from trainer.study.flatness.paths import Plane, direction, filter_normalised, unit


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_plane_by_hand() -> None:
    plane = Plane.through(vector(1, 1, 1), vector(3, 1, 1), vector(2, 1, 4))
    assert plane.u.tolist() == [1, 0, 0]
    assert plane.v.tolist() == [0, 0, 1]
    assert plane.corners.tolist() == [[0, 0], [2, 0], [1, 3]]
    assert plane.at(1.0, 3.0).tolist() == [2, 1, 4]
    x, y = plane.grid(15, margin=0.2)
    np.testing.assert_allclose(x, np.linspace(-0.4, 2.4, 15), atol=1e-12)
    np.testing.assert_allclose(y, np.linspace(-0.6, 3.6, 15), atol=1e-12)


def test_the_grid_holds_a_third_corner_that_lies_outside() -> None:
    plane = Plane.through(vector(0, 0), vector(2, 0), vector(-4, 1))
    x, y = plane.grid(3, margin=0.5)
    assert x.tolist() == [-7, -1, 5]
    assert y.tolist() == [-0.5, 0.5, 1.5]


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_coordinates_give_back_the_weights_and_their_distances(seed: int) -> None:
    weights = torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 7)))
    plane = Plane.through(*weights)
    for corner, w in zip(plane.corners, weights, strict=True):
        torch.testing.assert_close(plane.at(*corner.tolist()), w)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        apart = np.linalg.norm(plane.corners[i] - plane.corners[j])
        assert apart == pytest.approx(float((weights[i] - weights[j]).norm()))


@pytest.mark.parametrize(
    ("third", "message"), [(vector(5, 5), "lie on a line"), (vector(0, 0), "lie on a line")]
)
def test_weights_on_a_line_span_no_plane(third: torch.Tensor, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Plane.through(vector(0, 0), vector(2, 2), third)
    with pytest.raises(ConfigError, match="are the same"):
        Plane.through(vector(1, 2), vector(1, 2), vector(0, 1))


def test_a_ray_s_direction_depends_on_seed_and_number_alone() -> None:
    assert torch.equal(direction(9, 3, 1), direction(9, 3, 1))
    assert not torch.equal(direction(9, 3, 1), direction(9, 3, 2))
    assert not torch.equal(direction(9, 3, 1), direction(9, 4, 1))
    many = direction(20_000, 0, 0)
    assert float(many.mean()) == pytest.approx(0.0, abs=0.03)
    assert float(many.std()) == pytest.approx(1.0, abs=0.03)
    assert float(unit(many).norm()) == pytest.approx(1.0)


def test_every_filter_of_a_normalised_direction_is_as_long_as_the_weights_own() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4))
    parameters = list(model.parameters())
    shapes = [p.shape for p in parameters]
    weights = torch.cat([p.detach().double().reshape(-1) for p in parameters])
    moved = filter_normalised(direction(len(weights), 0, 0), weights, shapes)
    pieces = torch.split(moved, [s.numel() for s in shapes])
    for piece, parameter in zip(pieces, parameters, strict=True):
        if parameter.dim() < 2:  # biases, BatchNorm
            assert not piece.any()
            continue
        rows = piece.view(len(parameter), -1)
        own = parameter.detach().double().view(len(parameter), -1)
        torch.testing.assert_close(rows.norm(dim=1), own.norm(dim=1))
    assert float(moved.norm()) > 0


def test_a_filter_s_step_grows_with_it_and_no_other_does() -> None:
    shapes = [torch.Size([2, 3])]
    weights, drawn = direction(6, 1, 0), direction(6, 1, 1)
    before = filter_normalised(drawn, weights, shapes).view(2, 3)
    bigger = weights.clone()
    bigger[:3] *= 10
    after = filter_normalised(drawn, bigger, shapes).view(2, 3)
    torch.testing.assert_close(after[0], 10 * before[0])
    torch.testing.assert_close(after[1], before[1])
