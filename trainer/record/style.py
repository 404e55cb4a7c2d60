"""The look of all pictures: figures, frames, colours, and numbers with their mean and interval."""

from __future__ import annotations

import colorsys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from trainer.record.spread import Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

DARK, GREY, LIGHT = "#222222", "#6b6b6b", "#dddddd"
ACCENT, LOST = "#d1495b", "#b00020"  # what a picture is about; runs without a number
BETTER, WORSE = "#2a7f62", "#c0392b"
# "Color Universal Design": M. Okabe and K. Ito, 2008, without black and with a darker yellow, so
# that all of them can be seen on white and on black; the last is ours.
FEW = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b59f00", "#e69f00", "#8a6fd1")
GOLDEN = 0.381966  # of a turn: hues that follow each other stay far apart, however many there are


def new_figure(width: float, height: float, dpi: int = 150) -> Figure:
    """Return an empty figure of so many inches, which says nothing of letters that its fonts lack:
    they are drawn as boxes."""
    from matplotlib.figure import Figure

    class Quiet(Figure):
        def savefig(self, *args: Any, **options: Any) -> None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Glyph", UserWarning)
                super().savefig(*args, **options)

    return Quiet(figsize=(width, height), dpi=dpi, layout="constrained")


def parts(figure: Any, rows: int, columns: int = 1, **spaces: Any) -> list[SubFigure]:
    """Return the parts of a figure or of a part of one, row by row; ratios and spaces are those of
    `subfigures`."""
    return list(figure.subfigures(rows, columns, squeeze=False, **spaces).flat)


def why_no_picture() -> str | None:
    """Return why nothing can be drawn here, or None."""
    try:
        new_figure(1, 1)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return None


def clean_axes(axes: Axes, grid: Literal["both", "x", "y"] = "both", size: float = 8) -> None:
    """Draw a light grid and leave out the frame's top and right; numbers have a size in points."""
    axes.grid(visible=True, axis=grid, color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(labelsize=size, color=GREY)


def colors(count: int) -> list[str]:
    """Return a colour for each of `count` arms: the first are told apart most easily."""
    hues = [colorsys.hls_to_rgb((rank * GOLDEN) % 1.0, 0.48, 0.5) for rank in range(count)]
    rest = ["#" + "".join(f"{round(255 * part):02x}" for part in hue) for hue in hues]
    return [*FEW[:count], *rest[len(FEW) :]]


def color_scale(count: int) -> list[str]:
    """Return colours from dark to light for values in order."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](0.92 * i / max(count - 1, 1))) for i in range(count)]


def draw_spread(
    axes: Axes,
    place: float,
    numbers: Sequence[float],
    color: str,
    *,
    vertical: bool = False,
    apart: float = 0.13,
) -> None:
    """Draw numbers of seeds as dots along an axis, and their mean with its 95 % interval as a
    diamond, `apart` from `place` to either side."""
    spread = Spread.of(numbers)
    dots: dict[str, Any] = {"color": color, "alpha": 0.45, "ms": 4, "mew": 0}
    mark: dict[str, Any] = {"color": color, "fmt": "D", "ms": 4.5, "capsize": 3, "linewidth": 1.6}
    if vertical:
        axes.plot([place] * len(numbers), numbers, "o", **dots)
        if spread.mean is not None:
            axes.errorbar(place, spread.mean, yerr=spread.half_width, zorder=3, **mark)
        return
    axes.plot(numbers, [place - apart] * len(numbers), "o", **dots)
    if spread.mean is not None:
        axes.errorbar(spread.mean, place + apart, xerr=spread.half_width, **mark)


def write_beside(axes: Axes, text: str, place: float, color: str, **style: Any) -> None:
    """Write a text, if there is one, to the right of the axes at a place of the vertical axis."""
    style = {"va": "center", "fontsize": 8, "annotation_clip": False, **style}
    if text:
        axes.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), color=color, **style)


def end_labels(axes: Axes, ends: Sequence[tuple[float, float, str, str]], size: float = 14) -> None:
    """Name lines at their right ends, no name over another: the place and the height of each end,
    its name and its colour. Call it once the axes' limits are final, or nearly."""
    low, high = axes.get_ylim()
    box = axes.get_window_extent()
    least = 1.25 * size * axes.figure.dpi / 72.0 * (high - low) / max(box.height, 1.0)
    heights: list[float] = []
    for x, y, name, color in sorted(ends, key=lambda end: end[1]):
        heights.append(max(y, heights[-1] + least) if heights else y)
        text: dict[str, Any] = {"fontsize": size, "fontweight": "bold", "va": "center"}
        away: dict[str, Any] = {
            "xytext": (7, (heights[-1] - y) / (high - low) * box.height * 72 / axes.figure.dpi)
        }
        axes.annotate(
            name,
            (x, y),
            **away,
            textcoords="offset points",
            color=color,
            annotation_clip=False,
            **text,
        )


def write_at(axes: Axes, text: str, place: float, height: float, **style: Any) -> None:
    """Write at a place of the horizontal axis and a share of the axes' height."""
    style = {"ha": "center", "fontsize": 7.5, **style}
    axes.annotate(text, (place, height), xycoords=("data", "axes fraction"), **style)
