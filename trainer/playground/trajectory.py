"""The trajectory of a run: its checkpoints in the plane of their principal components, and the loss
over that plane."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.checkpoint import format as checkpoint
from trainer.core.errors import ConfigError, NotFound
from trainer.data import Batch
from trainer.playground.settings import MOST_CHECKPOINTS, Replay
from trainer.record.runs import read_summary
from trainer.state import Run
from trainer.study.flatness.landscape import Landscape, mean_scores
from trainer.study.flatness.runs import Corner, Machine, assembled, label_of, read_corner
from trainer.study.plane import LEAST, plane_of

MARGIN = 0.15  # of the picture about the points, as a share of their box
TRAIN_AGAIN = "train it with checkpoint.keep=all and, say, checkpoint.every=1ep"


def trajectory_of(place: str, replay: Replay, machine: Machine) -> dict[str, Any]:
    """Return the trajectory of a run as plain values, for the page.

    Args:
        place: the run's folder.
        replay: what is shown.
        machine: where to compute.

    Raises:
        NotFound: if there is no such run, or it has too few checkpoints.
        ConfigError: if the run has no validation images and those were asked for, or its weights
            lie on a line.
        DataError: if images are missing.
    """
    start = time.perf_counter()
    found = checkpoints_of(Path(place).expanduser())
    corner = read_corner("run", place)
    run, _ = assembled(corner, machine)
    begin = replay.begin.steps(run.data.steps_per_epoch, found[-1].step)
    wanted = enough([c for c in found if c.step >= begin], place, replay)
    found = thinned(wanted)
    images = list(shown_images(run, replay))
    count = replay.images.of(run.data.num_train)
    norms = [run.ready(batch).images for batch in run.data.clean_train_batches(count)]
    landscape = Landscape(run.model, bn=norms, train=images, test=())

    def loss(weights: torch.Tensor) -> float:
        landscape.put(weights)
        return mean_scores(landscape.model, landscape.train)[0]

    weights = torch.stack([landscape.vector(c.weights(), place) for c in found])
    averaged = [landscape.vector(a, place) if (a := c.averaged()) else None for c in found]
    points, axes, centre = plane_of(weights)
    if float(np.ptp(points[:, 1])) <= 1e-9 * float(np.ptp(points[:, 0])):
        raise ConfigError(f"{place}: its checkpoints lie on a line, and span no plane")
    average: list[dict[str, Any] | None] = [
        None if a is None else {"at": floats((a - centre) @ axes.T), "loss": rounded(loss(a))}
        for a in averaged
    ]
    overrides = read_summary(corner.run)["overrides"]
    words = [w for w in overrides if w.partition("=")[0] not in ("outputs", "name")]
    x, y = grid([*points.tolist(), *(a["at"] for a in average if a)], replay.points)
    losses = [[loss(centre + a * axes[0] + b * axes[1]) for a in x] for b in y]
    return {
        "run": place,
        "command": f"python -m trainer {' '.join(words)}",
        "steps": [c.step for c in found],
        "checkpoints": len(wanted),
        "points": [[rounded(v) for v in point] for point in points.tolist()],
        "point_losses": [rounded(loss(w)) for w in weights],
        "average": average,
        "average_name": label_of("average", corner.recorded),
        "variance": float((points**2).sum() / ((weights - centre) ** 2).sum()),
        "x": [rounded(v) for v in x],
        "y": [rounded(v) for v in y],
        "losses": bounded(losses),
        "of": "validation" if replay.of == "val" else "training",
        "images": sum(len(batch.labels) for batch in images),
        "test": recorded_scores(corner),
        "seconds": time.perf_counter() - start,
    }


def checkpoints_of(run: Path) -> list[checkpoint.Checkpoint]:
    """Return a run's checkpoints that verify, the first one first.

    Raises:
        NotFound: if there is no run, or too few of them to span a plane.
    """
    if not (run / "config.yaml").is_file():
        raise NotFound(f"no run at {run}: name a run's folder, such as outputs/default/<run>")
    paths = reversed(checkpoint.folders(run / "checkpoints"))
    return enough([c for c in map(checkpoint.verify, paths) if c is not None], str(run), Replay())


def enough(
    found: list[checkpoint.Checkpoint], place: str, replay: Replay
) -> list[checkpoint.Checkpoint]:
    """Return checkpoints; raise NotFound if they are too few to span a plane."""
    if len(found) < LEAST:
        since = f" from --begin {replay.begin} on" if replay.begin.value else ""
        raise NotFound(
            f"{place} has {len(found)} checkpoints{since}, and a trajectory needs {LEAST}: "
            f"{TRAIN_AGAIN}"
        )
    return found


def thinned(found: Sequence[checkpoint.Checkpoint]) -> list[checkpoint.Checkpoint]:
    """Return all checkpoints, or so many of them, evenly, that a picture can show."""
    if len(found) <= MOST_CHECKPOINTS:
        return list(found)
    places = np.linspace(0, len(found) - 1, MOST_CHECKPOINTS).round().astype(int)
    return [found[i] for i in places]


def shown_images(run: Run, replay: Replay) -> Iterator[Batch]:
    """Yield normalised batches of the images that the loss is of, as many as were asked for.

    Raises:
        ConfigError: if the run held out no validation images.
    """
    if replay.of == "train":
        wanted = replay.images.of(run.data.num_train)
        yield from map(run.ready, run.data.clean_train_batches(wanted))
        return
    held_out = sum(run.data.val_counts)
    if not held_out:
        raise ConfigError("this run held out no validation images: add --of train")
    left = min(replay.images.of(held_out), held_out)
    for batch in run.data.val_batches():
        if not left:
            return
        taken = Batch(batch.images[:left], batch.labels[:left], batch.num_classes)
        left -= len(taken.labels)
        yield run.ready(taken)


def grid(points: Sequence[Sequence[float]], num: int) -> tuple[list[float], list[float]]:
    """Return x and y (num,) of a grid over points and a margin about them."""
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    wide = MARGIN * (high - low)
    x, y = (np.linspace(a, b, num).tolist() for a, b in zip(low - wide, high + wide, strict=True))
    return x, y


def bounded(losses: list[list[float]]) -> list[list[float]]:
    """Return losses with the greatest finite one in place of those that are not."""
    found: NDArray[np.float64] = np.array(losses)
    finite = found[np.isfinite(found)]
    if not len(finite):
        raise ConfigError("the loss is finite nowhere in the plane: nothing to show")
    return [[rounded(v) for v in row] for row in np.where(np.isfinite(found), found, finite.max())]


def recorded_scores(corner: Corner) -> list[tuple[str, float]]:
    """Return the test accuracies that a run recorded, by what they are of."""
    summary = read_summary(corner.run)
    names = {"test": "last weights", "test_avg": label_of("average", corner.recorded)}
    scores = {names[key]: (summary.get(key) or {}).get("top1") for key in names}
    return [(name, float(score)) for name, score in scores.items() if score is not None]


def floats(values: torch.Tensor) -> list[float]:
    return [rounded(float(v)) for v in values]


def rounded(value: float) -> float:
    """Return a number with six digits: a page holds thousands."""
    return float(f"{value:.6g}")
