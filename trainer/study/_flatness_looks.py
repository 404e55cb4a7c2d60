"""Looking at a landscape: on a plane's grid, along a segment, along random rays; rows of scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from trainer.errors import ConfigError
from trainer.study._flatness_paths import Plane, direction, filter_normalised, unit
from trainer.study._flatness_points import Landscape

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Looks:
    """Where to look.

    Attributes:
        points: of the plane's grid, on each axis.
        margin: of the plane about the three weights, as a share of their box.
        segment_points: of the segment through the first two.
        extend: how far it goes beyond both, in distances between them.
        rays: from each of the two weights, of each kind.
        ray_points: of a ray, its start included.
        radius: length of a ray: raw, in norms of the first weights; filter-normalised, in norms of
            each filter.
        seed: of directions and of the choice of test images.
    """

    points: int = 21
    margin: float = 0.2
    segment_points: int = 31
    extend: float = 1.0
    rays: int = 10
    ray_points: int = 7
    radius: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"points": 2, "segment_points": 2, "rays": 1, "ray_points": 2, "seed": 0}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ConfigError(
                    f"{option(name)} must be at least {smallest}, got {getattr(self, name)}"
                )
        for name in ("margin", "extend", "radius"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (name == "radius" and value == 0):
                least_told = "above 0" if name == "radius" else "0 or more"
                raise ConfigError(f"{option(name)} must be {least_told}, got {value}")


def option(name: str) -> str:
    """Return a field's spelling on the command line."""
    return f"--{name.replace('_', '-')}"


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
