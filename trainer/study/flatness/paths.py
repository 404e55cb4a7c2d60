"""Where a landscape is looked at: a plane, a line and random rays in the space of weights.

All vectors are (P,), float64: every parameter of the network, one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.core import rng
from trainer.core.errors import ConfigError
from trainer.study.flatness.landscape import Landscape
from trainer.study.flatness.settings import Looks

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """The plane through three weight vectors.

    Attributes:
        origin: the first of them.
        u: unit vector from the first to the second.
        v: unit vector orthogonal to `u`, towards the third.
        corners: (3, 2) coordinates of the three.
    """

    origin: torch.Tensor
    u: torch.Tensor
    v: torch.Tensor
    corners: Floats

    @classmethod
    def through(cls, first: torch.Tensor, second: torch.Tensor, third: torch.Tensor) -> Plane:
        """Return the plane; raise ConfigError if the three lie on a line."""
        u, w = second - first, third - first
        length = u.norm()
        if float(length) == 0.0:
            raise ConfigError("the first and the second weights are the same: no direction to show")
        u = u / length
        along = w.dot(u)
        v = w - along * u
        height = v.norm()
        if float(height) <= 1e-6 * float(length):
            raise ConfigError("the three weight vectors lie on a line: they span no plane")
        corners = [[0.0, 0.0], [float(length), 0.0], [float(along), float(height)]]
        return cls(first, u, v / height, np.array(corners))

    def at(self, x: float, y: float) -> torch.Tensor:
        """Return the weights at coordinates of the plane."""
        return self.origin + x * self.u + y * self.v

    def grid(self, points: int, margin: float) -> tuple[Floats, Floats]:
        """Return x (N,) and y (N,) of a square grid: the corners' box and a margin about it.

        Args:
            points: N, on each axis.
            margin: as a share of the box, on each side.
        """
        low, high = self.corners.min(axis=0), self.corners.max(axis=0)
        wide = margin * (high - low)
        x, y = (np.linspace(a, b, points) for a, b in zip(low - wide, high + wide, strict=True))
        return x, y


def direction(size: int, seed: int, number: int) -> torch.Tensor:
    """Return ray number `number`'s direction, normally distributed: the same from every point."""
    drawn = rng.stream(seed, "flatness", "ray", number).standard_normal(size)
    return torch.from_numpy(drawn)


def unit(vector: torch.Tensor) -> torch.Tensor:
    """Return a direction of length 1."""
    return torch.nn.functional.normalize(vector, dim=0)


def filter_normalised(
    vector: torch.Tensor, weights: torch.Tensor, shapes: Sequence[torch.Size]
) -> torch.Tensor:
    """Return a direction whose every filter is as long as the weights' own filter.

    "Visualizing the Loss Landscape of Neural Nets", arXiv:1712.09913: a network with BatchNorm or
    ReLU computes the same with its filters scaled, so a step is measured in sizes of the filter
    that it changes. A filter is what makes one output: a row of a linear layer's weight, a kernel
    of a convolution. Biases and the parameters of BatchNorm do not move, as in the authors' code.

    Args:
        vector: the direction.
        weights: where it starts.
        shapes: of the parameters, in the order of the vectors.
    """
    sizes = [shape.numel() for shape in shapes]
    pieces = []
    for moved, own, shape in zip(
        *(torch.split(v, sizes) for v in (vector, weights)), shapes, strict=True
    ):
        if len(shape) < 2:
            pieces.append(torch.zeros_like(moved))
            continue
        rows, lengths = moved.view(shape[0], -1), own.view(shape[0], -1).norm(dim=1, keepdim=True)
        pieces.append((rows / rows.norm(dim=1, keepdim=True) * lengths).reshape(-1))
    return torch.cat(pieces)


Rows = list[dict[str, Any]]


def on_plane(landscape: Landscape, plane: Plane, looks: Looks) -> Rows:
    """Return the scores on the plane's grid, row by row."""
    xs, ys = plane.grid(looks.points, looks.margin)
    return [
        {"x": x, "y": y, **asdict(landscape.at(plane.at(x, y)))}
        for y in ys.tolist()
        for x in xs.tolist()
    ]


def along_segment(
    landscape: Landscape, first: torch.Tensor, second: torch.Tensor, looks: Looks
) -> Rows:
    """Return the scores along the line through two weights: `t` is 0 at the first, 1 at the
    second."""
    move = second - first
    length = float(move.norm())
    return [
        {"t": t, "distance": t * length, **asdict(landscape.at(first + t * move))}
        for t in np.linspace(-looks.extend, 1.0 + looks.extend, looks.segment_points).tolist()
    ]


def along_rays(landscape: Landscape, starts: Mapping[str, torch.Tensor], looks: Looks) -> Rows:
    """Return the scores along random rays; a ray of one number has the same direction from every
    start, before its filters are normalised."""
    rows: Rows = []
    norm = float(next(iter(starts.values())).norm())
    shares = [looks.radius * i / (looks.ray_points - 1) for i in range(looks.ray_points)]
    for label, start in starts.items():
        begin = asdict(landscape.at(start))  # the same for all rays
        for number in range(looks.rays):
            drawn = direction(len(start), looks.seed, number).to(start.device)
            moves = {
                "raw": unit(drawn) * norm,
                "filter": filter_normalised(drawn, start, landscape.shapes),
            }
            for kind, move in moves.items():
                for share in shares:
                    place = {"start": label, "kind": kind, "ray": number, "share": share}
                    scores = asdict(landscape.at(start + share * move)) if share else begin
                    rows.append({**place, "distance": share * float(move.norm()), **scores})
    return rows
