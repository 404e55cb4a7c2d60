"""How flat a solution is: loss and error over a plane, along a segment and along random rays.

Usage: python -m trainer.study.flatness FIRST [SECOND [THIRD]] [--out flatness] ...

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

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from trainer.core.errors import ConfigError, telling_errors
from trainer.core.units import Amount
from trainer.record import provenance
from trainer.study.flatness.landscape import Amounts, Landscape
from trainer.study.flatness.paths import Looks, Plane, along_rays, along_segment, on_plane, option
from trainer.study.flatness.pictures import plane_figure, rays_figure, segment_figure
from trainer.study.flatness.report import KINDS, Seen, make_folder, rises, table, write
from trainer.study.flatness.runs import Machine, assembled, read_corners

LOOKS_HELP = {
    "points": "points of the plane's grid, on each axis",
    "margin": "of the plane about the three weights, as a share of their box",
    "segment_points": "points of the segment",
    "extend": "how far the segment goes beyond both weights, in distances between them",
    "rays": "rays from each of the first two weights, of each kind",
    "ray_points": "points of a ray, its start included",
    "radius": "length of a ray, in norms of the first weights, or of each filter",
    "seed": "of directions and of the choice of test images",
}

IMAGES_HELP = {
    "train": "training images of the training loss",
    "bn": "training images for BatchNorm statistics",
    "test": "test images",
}

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
    seen.facts["rises"] = {
        kind: {
            score: [
                r.plain() for r in rises(seen.tables["rays"], kind, (labels[0], labels[1]), score)
            ]
            for score in SCORES
        }
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


def parser() -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m trainer.study.flatness", description=(__doc__ or "").splitlines()[0]
    )
    places = "a run, <run>@average, <run>@<step> or a checkpoint's folder: up to three"
    made.add_argument("places", nargs="+", metavar="WEIGHTS", help=places)
    made.add_argument("--out", type=Path, default=Path("flatness"), help="folder of the results")
    made.add_argument("--labels", default="", help="names of the weights, separated by commas")
    for name, meaning in LOOKS_HELP.items():
        default = getattr(Looks, name)
        told = f"{meaning} (%(default)s)"
        made.add_argument(option(name), type=type(default), default=default, help=told)
    for name, meaning in IMAGES_HELP.items():
        told = f"{meaning}: a count, or a share such as 10%% (%(default)s)"
        made.add_argument(f"--{name}-images", default=str(getattr(Amounts, name)), help=told)
    made.add_argument("--data-root", help="folder of the data sets; as recorded by default")
    made.add_argument("--device", default="auto")
    made.add_argument("--threads", type=int, help="of computation on a CPU; all cores by default")
    made.add_argument("--plugins", default="", help="modules with components of your own")
    return made


def main() -> None:
    """Study what the command line asks for."""
    options = parser().parse_args()
    with telling_errors():
        if len(options.places) > 3:
            raise ConfigError(f"at most three weights, got {len(options.places)}")
        facts = study(
            options.places,
            options.out,
            looks=Looks(**{name: getattr(options, name) for name in LOOKS_HELP}),
            amounts=Amounts(**{name: amount(options, name) for name in IMAGES_HELP}),
            machine=Machine(
                options.data_root, options.device, options.threads, listed(options.plugins)
            ),
            labels=listed(options.labels),
        )
    print(table(facts))
    print(f"pictures and numbers in {options.out} ({facts['seconds']:.0f} s)")


def amount(options: argparse.Namespace, name: str) -> Amount:
    """Return a number of images as the command line gives it."""
    return Amount.parse(getattr(options, f"{name}_images"), f"--{name}-images")


def listed(text: str) -> tuple[str, ...]:
    """Return the names in a list separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


if __name__ == "__main__":
    main()
