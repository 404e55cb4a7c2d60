"""How flat a solution is: loss and error over a plane, along a segment and along random rays.

Each is weights of a run: its folder (the last ones), <run>@average, <run>@<step>, or a checkpoint's
folder. One run alone stands for its last and its averaged weights. The segment goes through the
first two, beyond both; rays of the same random directions start from each of the two, raw and
filter-normalised; three span a plane. BatchNorm statistics are recomputed at every point. Writes
pictures (PNG), every point (CSV), and the rise of the loss at equal distance with its spread over
rays (JSON).

As in "Averaging Weights Leads to Wider Optima and Better Generalization" (arXiv:1803.05407) and
"Visualizing the Loss Landscape of Neural Nets" (arXiv:1712.09913). Deviation from both: training
images are clean, not augmented, and the loss is the cross-entropy alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from trainer.core.errors import ConfigError
from trainer.record import provenance
from trainer.study.flatness.landscape import Landscape
from trainer.study.flatness.paths import Plane, along_rays, along_segment, on_plane
from trainer.study.flatness.pictures import plane_figure, rays_figure, segment_figure
from trainer.study.flatness.report import KINDS, Seen, make_folder, rises, write
from trainer.study.flatness.runs import Machine, assembled, read_corners
from trainer.study.flatness.settings import Amounts, Looks

SCORES = ("train_loss", "test_loss", "test_error")


def look(
    landscape: Landscape, vectors: Sequence[torch.Tensor], labels: Sequence[str], looks: Looks
) -> Seen:
    """Look at a landscape from two or three weights.

    Args:
        landscape: of their network.
        vectors: the weights, (P,) each.
        labels: their names.
        looks: where.

    Raises:
        ConfigError: if the weights are the same or lie on a line.
    """
    seen, length = Seen(), float((vectors[1] - vectors[0]).norm())
    if length == 0.0:
        raise ConfigError("the first and the second weights are the same: nothing to compare")
    seen.facts["distance"] = length
    if len(vectors) == 3:
        plane = Plane.through(vectors[0], vectors[1], vectors[2])
        seen.facts["plane_coordinates"] = plane.corners.tolist()
        seen.tables["plane"] = on_plane(landscape, plane, looks)
        seen.figures["plane"] = plane_figure(seen.tables["plane"], plane.corners, labels)
    seen.tables["segment"] = along_segment(landscape, vectors[0], vectors[1], looks)
    seen.figures["segment"] = segment_figure(seen.tables["segment"], length, labels[:2])
    starts = {labels[0]: vectors[0], labels[1]: vectors[1]}
    seen.tables["rays"] = along_rays(landscape, starts, looks)
    seen.figures["rays"] = rays_figure(seen.tables["rays"], labels[:2])
    both = (labels[0], labels[1])
    seen.facts["rises"] = {
        kind: {score: rises(seen.tables["rays"], kind, both, score) for score in SCORES}
        for kind in KINDS
    }
    return seen


def study(
    places: Sequence[str],
    out: Path,
    *,
    looks: Looks,
    amounts: Amounts,
    machine: Machine,
    labels: Sequence[str] = (),
) -> dict[str, Any]:
    """Look at the landscape about weights of runs, write tables and pictures into a folder, and
    return what its `flatness.json` holds.

    Args:
        places: of the weights, one to three.
        out: the folder, made if need be; files of an earlier study are replaced.
        looks: where to look.
        amounts: images that a point is measured on.
        machine: where to compute.
        labels: names of the weights.

    Raises:
        NotFound: if there are no such weights.
        ConfigError: if they do not belong together, or have no averaged weights.
        DataError: if images are missing.
        DiskError: if the folder cannot be written.
    """
    start = time.perf_counter()
    corners = read_corners(places, labels)
    make_folder(out)
    run, about = assembled(corners[0], machine)
    landscape = Landscape.of(run, amounts, looks.seed)
    vectors = [landscape.vector(c.weights, c.place) for c in corners]
    seen = look(landscape, vectors, [c.label for c in corners], looks)
    facts = {
        "weights": [
            {
                **{name: getattr(c, name) for name in ("label", "place", "sha256")},
                "norm": float(v.norm()),
                **asdict(landscape.at(v)),
            }
            for c, v in zip(corners, vectors, strict=True)
        ],
        **seen.facts,
        "looks": asdict(looks),
        "images": landscape.counts(),
        **about,
        "git": provenance.git_state()[0],
        "seconds": time.perf_counter() - start,
    }
    write(out, seen, facts)
    return facts
