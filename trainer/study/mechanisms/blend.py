"""Two images, their blend and its soft label; and how many corrupt labels are learnt by heart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.mix import Pairs
from trainer.record.runs import RunRow
from trainer.record.style import DARK, GREY, clean_axes, colors, end_labels, parts
from trainer.study.mechanisms._live import Live, live
from trainer.study.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

LOOKS = 24  # at a run, evenly over its steps
SHOWN = 0.6  # about the share of the first image in the blend that is shown


@dataclass(frozen=True)
class Blend:
    """What mixing does to two images, and to learning.

    Attributes:
        images: (3, H, W): the first, the second and what became of them.
        labels: of the first two.
        target: (K,) the soft label.
        share: of the first label in it.
        hearts: by arm, (LOOKS, 2): share of the run, and share of the corrupt labels that the
            network gives back; empty where no label is corrupt.
    """

    images: NDArray[np.float64]
    labels: tuple[int, int]
    target: NDArray[np.float64]
    share: float
    hearts: dict[str, NDArray[np.float64]]


def see(study: Study, runs: Sequence[RunRow]) -> Blend:
    """Mix a batch of the claimed arm, and train every arm to see what it learns by heart."""
    found = mixed(live(study, study.claim))
    hearts = {}
    if live(study, study.claim).run.data.noise is not None:
        hearts = {label: by_heart(live(study, label)) for label in study.labels}
    return replace(found, hearts=hearts)


def mixed(one: Live) -> Blend:
    """Return the pair of different and right labels in the first epoch whose share is nearest to
    `SHOWN`."""
    run, found = one.run, []
    for step, (batch, *_) in enumerate(run.data.train_steps(0, 0)):
        clock = replace(run.clock(), step=step)
        before = run.ready(batch)
        assert batch.index is not None, "of training images"
        truth = replace(before, labels=one.source.train.labels[torch.from_numpy(batch.index)])
        after, per = run.mix(before, clock), run.mix.keys.lambda_per
        other, others_truth = (Pairs(b, clock, per).other() for b in (before, truth))
        if after.targets is None:
            continue
        shares = after.targets.gather(1, before.labels.unsqueeze(1)).squeeze(1)  # (B,)
        fits = (before.labels != other.labels) & (before.labels == truth.labels)
        fits &= other.labels == others_truth.labels
        gaps = (shares - SHOWN).abs() + (~fits).float()  # the others come after all that do
        i = int(gaps.argmin())
        images = torch.stack([before.images[i], other.images[i], after.images[i]])
        labels = (int(before.labels[i]), int(other.labels[i]))
        target = after.targets[i].double().numpy()
        found.append((float(gaps[i]), images.double().mean(1).numpy(), labels, target))
    assert found, "a mixing that mixes"
    _, pictures, labels, target = min(found, key=lambda one: one[0])
    return Blend(pictures, labels, target, float(target[labels[0]]), {})


def corrupt(one: Live) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the training images whose labels are wrong, and these labels."""
    parts = [step[0] for step in one.run.data.train_steps(0, 0)]
    images = torch.cat([one.run.ready(batch).images for batch in parts])
    labels = torch.cat([batch.labels for batch in parts])
    places = np.concatenate([batch.index for batch in parts if batch.index is not None])
    is_wrong = labels != one.source.train.labels[torch.from_numpy(places)]
    return images[is_wrong], labels[is_wrong]


def by_heart(one: Live) -> NDArray[np.float64]:
    """Train, and look at the corrupt labels now and then."""
    images, labels = corrupt(one)
    every, points = max(1, one.run.total // LOOKS), []
    for run in one.steps(every):
        run.model.eval()
        with torch.inference_mode():
            said = run.model(images).argmax(1)
        run.model.train()
        points.append((run.state.step / run.total, float((said == labels).float().mean())))
    return np.array(points)


def draw(panel: SubFigure, seen: Blend, share: float = 1.0) -> None:
    """Draw the images in a row with the soft label, and below them the corrupt labels learnt."""
    rows = parts(panel, 2, height_ratios=(1.0, 1.25)) if seen.hearts else [panel]
    pictures = rows[0].subplots(1, 4)
    lam = seen.share
    words = (f"{lam:.1f} x", f"+ {1 - lam:.1f} x", "=")
    for axes, image, word in zip(pictures, seen.images, words, strict=False):
        axes.imshow(image, cmap="gray")
        axes.set_title(word, fontsize=17, color=DARK, fontweight="bold")
        axes.axis("off")
    draw_target(pictures[3], seen.target)
    if seen.hearts:
        draw_hearts(rows[1].subplots(), seen.hearts, share)


def draw_target(axes: Axes, target: NDArray[np.float64]) -> None:
    """Draw a soft label as bars."""
    axes.barh(range(len(target)), target, color=["#d55e00" if t else GREY for t in target])
    axes.set_title("label", fontsize=15, color=DARK, fontweight="bold")
    for place, value in enumerate(target):
        if value > 0:
            axes.text(value, place, f" {place}: {value:.1f}", va="center", fontsize=13, color=DARK)
    axes.set_xlim(0.0, 1.4)
    axes.axis("off")


def draw_hearts(axes: Axes, hearts: dict[str, NDArray[np.float64]], share: float) -> None:
    """Draw the share of corrupt labels that each arm learnt."""
    ends = []
    for (label, points), color in zip(hearts.items(), colors(len(hearts)), strict=True):
        shown = points[points[:, 0] <= share + 1e-9]
        shown = 100.0 * (shown if len(shown) else points[:1])
        axes.plot(*shown.T, color=color, linewidth=3.0)
        ends.append((*shown[-1], label, color))
    end_labels(axes, ends)
    axes.set_xlim(0.0, 100.0)
    axes.set_ylim(0.0, 100.0)
    clean_axes(axes, size=11)
    axes.set_xlabel("% of the run", fontsize=13, color=DARK)
    axes.set_title("wrong labels learnt by heart (%)", fontsize=14, loc="left", color=DARK)
