"""Training images as the network sees them, made visible again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from trainer.data import Batch
from trainer.record.style import new_figure, parts
from trainer.state import Run
from trainer.task._plan_chart import draw_schedule
from trainer.task._plan_facts import Facts
from trainer.task._sheet import Captioned, draw_sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUM_IMAGES, COLUMNS = 16, 8
LONGEST = 14  # letters of a class's name


def seen_images(run: Run) -> list[Captioned]:
    """Return the first training images of a run after augmentation and mixing, with their labels;
    of mixed ones both, each with its share, lambda."""
    found: list[Captioned] = []
    for batch in first_batches(run):
        found += visible(run, batch)
        if len(found) >= NUM_IMAGES:
            break
    return found[:NUM_IMAGES]


def first_batches(run: Run) -> Iterator[Batch]:
    """Yield the micro-batches of this process as the network gets them, from the first step on."""
    for number, step in enumerate(run.data.train_steps(0, 0)):
        clock = run.clock().at(min(number, run.total - 1))
        for batch in step:
            yield run.mix(run.ready(run.augment(batch, clock)), clock)


def visible(run: Run, batch: Batch) -> list[Captioned]:
    """Return the images of a batch in pixels again, with what stands under them."""
    images = batch.images.to(torch.float32)
    images = images / run.normalize.scale.float() + run.normalize.mean.float()
    pixels = images.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    targets = batch.targets
    if targets is None:
        texts = [name_of(run, int(label)) for label in batch.labels]
    else:
        texts = [caption(run, shares) for shares in targets.float().cpu()]
    return [
        Captioned(np.ascontiguousarray(image), text)
        for image, text in zip(pixels[:, :3], texts, strict=True)
    ]


def caption(run: Run, shares: torch.Tensor) -> str:
    """Return the classes of a mixed image with their shares (K,), the larger first."""
    largest = torch.argsort(shares, descending=True)[:2].tolist()
    lines = [
        f"{name_of(run, k)}: {float(shares[k]):.2f}" for k in largest if float(shares[k]) > 0.005
    ]
    return "\n".join(lines) if len(lines) > 1 else name_of(run, largest[0])


def name_of(run: Run, label: int) -> str:
    """Return a class's name, cut where it is long."""
    name = str(run.data.classes[label])
    return name if len(name) <= LONGEST else name[: LONGEST - 2] + ".."


def plan_figure(facts: Facts, images: Sequence[Captioned], title: str) -> Figure:
    """Return the training images as they are seen, above the schedule."""
    has_momentum = facts.curve.momentum is not None and len(set(facts.curve.momentum)) > 1
    heights = [4.6, 3.4 if has_momentum else 2.2]
    figure = new_figure(11.0, sum(heights))
    above, below = parts(figure, 2, height_ratios=heights)
    draw_sheet(above, images, COLUMNS, title)
    draw_schedule(below, facts, "")
    return figure
