"""A sheet of pictures with a line or two under each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainer.record.style import DARK, GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

COLUMNS = 6
MOST = 24  # pictures of a sheet
LONGEST = 24  # letters of a name above a picture


@dataclass(frozen=True)
class Captioned:
    """A picture and what stands under it.

    Attributes:
        pixels: (C, H, W) uint8.
        text: of one or two lines.
        color: of the text.
        name: stands above the picture; of a long one its end.
    """

    pixels: NDArray[np.uint8]
    text: str
    color: str = DARK
    name: str = ""


def sheet(pictures: Sequence[Captioned], title: str) -> Figure:
    """Return a sheet of at most `MOST` pictures."""
    pictures = pictures[:MOST]
    columns = min(COLUMNS, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    figure = new_figure(1.7 * columns + 0.2, 2.2 * rows + 0.5)
    draw_sheet(figure, pictures, columns, title)
    return figure


def draw_sheet(
    figure: Figure | SubFigure, pictures: Sequence[Captioned], columns: int, title: str
) -> None:
    """Draw pictures in rows of so many into a figure or a part of one."""
    rows = math.ceil(len(pictures) / columns)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    for axes, picture in zip(panels.flat, pictures, strict=False):
        pixels = picture.pixels.transpose(1, 2, 0)
        gray = {"cmap": "gray", "vmin": 0, "vmax": 255} if pixels.shape[2] == 1 else {}
        axes.imshow(pixels[..., 0] if gray else pixels, interpolation="nearest", **gray)
        place = {"x": 0.5, "y": -0.04, "transform": axes.transAxes}
        axes.text(s=picture.text, ha="center", va="top", fontsize=10, color=picture.color, **place)
        place["y"] = 1.03
        name = picture.name if len(picture.name) <= LONGEST else f"...{picture.name[3 - LONGEST :]}"
        axes.text(s=name, ha="center", va="bottom", fontsize=7.5, color=GREY, **place)
    figure.suptitle(title, fontsize=11, x=0.02, ha="left")
