"""Pictures of a landscape: contours over a plane, a line, rays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.record import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]

COLORS = ("tab:blue", "tab:orange", "black")

MARKERS = ("o", "*", "s")

KINDS = {
    "raw": "distance from the start",
    "filter": "step in norms of each filter (filter-normalised)",
}

PANELS = {"train_loss": "training loss", "test_error": "test error (%)"}

NUM_LEVELS = 14


def plane_figure(rows: Rows, corners: NDArray[np.float64], labels: Sequence[str]) -> Figure:
    """Return contours of training loss and test error over a plane, the three weights marked.

    Args:
        rows: with `x`, `y` and the scores, a full grid.
        corners: (3, 2) coordinates of the weights.
        labels: their names.
    """
    figure, panels = new_figure(1, 2, (11.0, 4.8))
    x, y = sorted({row["x"] for row in rows}), sorted({row["y"] for row in rows})
    for axes, score in zip(panels[0], PANELS, strict=True):
        at = {(row["x"], row["y"]): in_units(row[score], score) for row in rows}
        heights = np.array([[at[a, b] for a in x] for b in y])
        contours(figure, axes, np.array(x), np.array(y), heights)
        for (a, b), label, color, marker in zip(corners, labels, COLORS, MARKERS, strict=True):
            size = 15 if marker == "*" else 8
            rim = {"markeredgecolor": "white", "markeredgewidth": 1.2, "zorder": 3}
            axes.plot(a, b, marker, color=color, markersize=size, label=label, **rim)
        axes.set_title(PANELS[score], fontsize=11)
        axes.set_aspect("equal")
        axes.set_xlabel(f"distance along the line from {labels[0]} to {labels[1]}")
    panels[0][0].set_ylabel(f"distance from that line, towards {labels[2]}")
    handles, names = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
    return figure


def contours(
    figure: Figure,
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    heights: NDArray[np.float64],
) -> None:
    """Draw filled contours whose levels lie dense near the least height: a basin is shallow."""
    finite = heights[np.isfinite(heights)]
    low, high = float(finite.min()), float(finite.max())
    rise = max(high - low, 1e-12)
    steps = np.geomspace(0.004, 1.0, NUM_LEVELS - 1)
    levels = np.concatenate([[low], low + rise * steps])
    drawn = np.where(np.isfinite(heights), heights, high)
    colors = {"levels": levels, "cmap": "viridis_r", "norm": level_norm(levels)}
    filled = axes.contourf(x, y, drawn, **colors)
    axes.contour(x, y, drawn, levels=levels, colors="white", linewidths=0.4, alpha=0.7)
    bar = figure.colorbar(filled, ax=axes, ticks=levels[::2], fraction=0.046, pad=0.03)
    bar.ax.set_yticklabels([f"{level:.3g}" for level in levels[::2]])


def level_norm(levels: NDArray[np.float64]) -> Any:
    """Return a norm that gives each band of levels an equal part of the colours."""
    from matplotlib.colors import BoundaryNorm

    return BoundaryNorm(levels, ncolors=256)


def segment_figure(rows: Rows, length: float, labels: Sequence[str]) -> Figure:
    """Return training loss and test error along the line through two weights.

    Args:
        rows: with `distance` from the first and the scores.
        length: distance of the second.
        labels: their names.
    """
    figure, panels = new_figure(1, 2, (10.0, 3.9))
    for axes, score in zip(panels[0], PANELS, strict=True):
        x = [row["distance"] for row in rows]
        axes.plot(x, [in_units(row[score], score) for row in rows], ".-", color="0.35")
        for place, label, color in zip((0.0, length), labels, COLORS, strict=False):
            axes.axvline(place, color=color, linestyle="--", linewidth=1.5, label=label)
        axes.set_xlabel(f"distance from {labels[0]} towards {labels[1]}")
        axes.set_ylabel(PANELS[score])
    panels[0][0].legend(frameon=False)
    return figure


def rays_figure(rows: Rows, labels: Sequence[str]) -> Figure:
    """Return training loss and test error along random rays from two weights: raw ones above,
    filter-normalised ones below; thin lines are rays, thick ones their means.

    Args:
        rows: with `start`, `kind`, `ray`, `share`, `distance` and the scores.
        labels: names of the two starts.
    """
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    figure, panels = new_figure(len(kinds), 2, (10.0, 3.6 * len(kinds)))
    for line, kind in zip(panels, kinds, strict=True):
        for axes, score in zip(line, PANELS, strict=True):
            for label, color in zip(labels, COLORS, strict=False):
                mine = [row for row in rows if (row["kind"], row["start"]) == (kind, label)]
                draw_rays(axes, mine, score, color, label)
            axes.set_xlabel(KINDS[kind])
            axes.set_ylabel(PANELS[score])
    panels[0][0].legend(frameon=False)
    return figure


def draw_rays(axes: Axes, rows: Rows, score: str, color: str, label: str) -> None:
    """Draw the rays of one kind from one start, and their mean."""
    measure = "distance" if rows[0]["kind"] == "raw" else "share"
    curves = []
    for ray in sorted({row["ray"] for row in rows}):
        mine = [row for row in rows if row["ray"] == ray]
        x = [row[measure] for row in mine]
        curves.append([in_units(row[score], score) for row in mine])
        axes.plot(x, curves[-1], color=color, linewidth=0.6, alpha=0.35)
    axes.plot(x, np.mean(curves, axis=0), color=color, linewidth=2.2, label=label)


def in_units(value: float, score: str) -> float:
    """Return a score as it is shown: errors in percent."""
    return 100.0 * value if score.endswith("error") else value


def new_figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, Any]:
    """Return a figure and its panels, (rows, columns)."""
    figure = style.new_figure(*size)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        style.clean_axes(axes)
    return figure, panels
