"""The pictures of two arms that should end alike, one of them sooner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainer.record import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TINIEST = 1e-18  # where a difference of exactly 0 is drawn on a logarithmic axis
Interval = tuple[float, float, float]  # a mean, and its interval's ends


def draw_distances(axes: Axes, distances: Sequence[float]) -> None:
    """Draw each seed's largest difference on a logarithmic axis, with float64's and float32's
    rounding beside it."""
    drawn = [max(d, TINIEST) for d in distances]
    axes.plot(drawn, [0.2] * len(drawn), "o", color=style.FEW[1], alpha=0.5, ms=10, mew=0)
    for place, name in ((2.0**-53, "float64\nrounds"), (2.0**-24, "float32\nrounds")):
        axes.axvline(place, color=style.GREY, linewidth=1.6, linestyle="--")
        where: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "fontsize": 12, "va": "top"}
        axes.annotate(name, (place * 1.6, 0.98), **where)
    axes.set_xscale("log")
    axes.set_xlim(min([1e-18, *drawn]) / 2, 1e-5)
    axes.set_xticks([10.0**e for e in range(-18, -4, 3)])
    axes.set_ylim(-0.5, 1.2)
    axes.set_yticks([])
    style.clean_axes(axes, "x", size=12)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("largest difference of any weight", fontsize=14, color=style.DARK)


def draw_ratios(
    axes: Axes, ratios: Sequence[float], found: Interval | None, labels: Sequence[str]
) -> None:
    """Draw the ratios as dots, their mean with its interval, and the line of no difference."""
    color = style.FEW[1]
    axes.axvline(1.0, color=style.FEW[0], linewidth=2.5, linestyle="--")
    axes.plot(ratios, [0.13] * len(ratios), "o", color=color, alpha=0.4, ms=9, mew=0)
    if found is not None:
        mean, low, high = found
        reach = ([mean - low], [high - mean])
        axes.errorbar(mean, -0.12, xerr=reach, color=color, fmt="D", ms=10, capsize=6, lw=3)
        said = f"{mean:.2f} ({low:.2f} to {high:.2f})"
        look: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 14, "fontweight": "bold"}
        axes.annotate(said, (mean, -0.24), color=color, **look)
    white: dict[str, Any] = {"bbox": {"fc": "white", "ec": "none", "pad": 2}, "ha": "center"}
    axes.annotate(labels[0], (1.0, 0.48), va="top", fontsize=14, color=style.FEW[0], **white)
    axes.set_ylim(-0.6, 0.5)
    axes.set_yticks([])
    low_end, high_end = axes.get_xlim()
    axes.set_xlim(min(0.85, low_end), max(1.2, high_end))
    style.clean_axes(axes, "x", size=12)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"images per second, {labels[1]} / {labels[0]}", fontsize=14)
