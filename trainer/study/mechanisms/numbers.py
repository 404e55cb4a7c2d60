"""Where the numbers of bf16 and fp16 end, and where a network's gradients are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from trainer.record.runs import RunRow
from trainer.record.style import DARK, FEW, clean_axes
from trainer.study.mechanisms._live import live
from trainer.study.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LEFT, RIGHT = -13.0, 2.0  # decimal exponents that are drawn
BINS = np.arange(-46.0, RIGHT, 0.25)


@dataclass(frozen=True)
class Numbers:
    """The sizes of a network's gradients, and the formats' limits.

    Attributes:
        sizes: absolute values of all gradients that are not 0, in float32.
        lost: by format, the share of them that becomes 0.
        ranges: by format, the smallest and the largest number above 0.
        steps: by format, the distance of 1 from the next number.
    """

    sizes: NDArray[np.float64]
    lost: dict[str, float]
    ranges: dict[str, tuple[float, float]]
    steps: dict[str, float]


def see(study: Study, runs: Sequence[RunRow]) -> Numbers:
    """Train the baseline, and look at the gradients of all training images one batch at a time."""
    one = live(study, study.labels[0])
    run = one.run
    for _ in one.steps(every=run.total):
        pass
    found = []
    run.model.train()
    for batch, *_ in run.data.train_steps(0, 0):
        run.model.zero_grad()
        clean = run.ready(batch)
        functional.cross_entropy(run.model(clean.images), clean.labels).backward()  # type: ignore[no-untyped-call]
        found += [p.grad.flatten() for p in run.model.parameters() if p.grad is not None]
    return sizes_of(torch.cat(found).float())


def sizes_of(gradients: torch.Tensor) -> Numbers:
    """Return what becomes of gradients in each format."""
    sizes = gradients[gradients != 0].abs()
    lost = {k: float((sizes.to(t) == 0).double().mean()) for k, t in FORMATS.items()}
    infos = {k: torch.finfo(t) for k, t in FORMATS.items()}
    ranges = {k: (float(i.smallest_normal * i.eps), float(i.max)) for k, i in infos.items()}
    steps = {k: float(i.eps) for k, i in infos.items()}
    return Numbers(sizes.double().numpy(), lost, ranges, steps)


def draw(panel: SubFigure, seen: Numbers, share: float = 1.0) -> None:
    """Draw the gradients' sizes, below them where each format's numbers lie."""
    above, below = panel.subplots(2, 1, sharex=True, height_ratios=(1.0, 1.1))
    logs = np.log10(seen.sizes)
    logs = logs[: max(1, round(share * len(logs)))]
    above.hist(logs, bins=list(BINS), color="#777777")
    above.set_title("sizes of the gradients", fontsize=14, loc="left", color=DARK)
    above.set_yticks([])
    hues = dict(zip(FORMATS, (FEW[5], FEW[0], FEW[1]), strict=True))
    for place, (name, (low, high)) in enumerate(seen.ranges.items()):
        start, end = max(np.log10(low), LEFT), min(np.log10(high), RIGHT)
        below.barh(-place, end - start, left=start, height=0.36, color=hues[name])
        words = f"{name}: {1 / seen.steps[name]:,.0f} steps from 1 to 2; {seen.lost[name]:.1%} lost"
        style: dict[str, Any] = {"fontsize": 14, "fontweight": "bold", "va": "bottom"}
        below.text(LEFT + 0.3, -place + 0.22, words, color=hues[name], **style)
    below.set_ylim(-2.4, 0.8)
    below.set_yticks([])
    for axes in (above, below):
        clean_axes(axes, "x", size=13)
        axes.set_xlim(LEFT, RIGHT)
        axes.spines["left"].set_visible(False)
        axes.axvspan(LEFT, np.log10(seen.ranges["fp16"][0]), color=hues["fp16"], alpha=0.12)
    above.text(LEFT + 0.3, 0.5 * above.get_ylim()[1], "0 in fp16", fontsize=15, color=hues["fp16"])
    below.set_xticks([-12, -9, -6, -3, 0], ["1e-12", "1e-9", "1e-6", "1e-3", "1"])
