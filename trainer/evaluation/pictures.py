"""Pictures of where a network errs, drawn in a few hundredths of a second: a run waits for them."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from trainer.core.file_kinds import printable
from trainer.evaluation.scores import Ints, confused_pairs
from trainer.record.style import DARK, GREY, LIGHT, WORSE

if TYPE_CHECKING:
    from trainer.evaluation.mistakes import Mistake

SIDE = 900  # pixels of a matrix, about
MOST_NUMBERED = 25  # classes up to which a matrix says numbers and names
LONGEST = 20  # letters of a name
MARGIN = 28
COLUMNS, TILE, LARGEST_TILE = 6, 150, 220  # of a sheet


@functools.cache
def font(size: int) -> Any:
    """Return the letters that matplotlib brings, which know most alphabets; PIL's without them."""
    spec = importlib.util.find_spec("matplotlib")
    file = Path(spec.origin or "").parent / "mpl-data/fonts/ttf/DejaVuSans.ttf" if spec else None
    if file is not None and file.is_file():
        return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)


def name_of(text: str) -> str:
    """Return a class's name, shortened in the middle where it is long."""
    text = printable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 6]}\u2026{text[-5:]}"


def width_of(text: str, size: int) -> int:
    """Return the pixels that a line takes."""
    return int(font(size).getlength(text)) + 1


def red(share: float) -> tuple[int, int, int]:
    """Return a colour from white to dark red."""
    stops = np.array([(255, 250, 247), (252, 187, 161), (239, 59, 44), (103, 0, 13)], float)
    at = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    low = min(int(at), len(stops) - 2)
    r, g, b = (stops[low] + (at - low) * (stops[low + 1] - stops[low])).round().astype(int).tolist()
    return r, g, b


def confusion_picture(counts: Ints, classes: Sequence[str], title: str) -> Image.Image:
    """Return the confusion matrix (K, K) as shares of each right class, the mistakes coloured, with
    the most confused pairs beside it; of few classes with their names and numbers.

    The diagonal is grey: it would drown the mistakes.
    """
    total = len(counts)
    cell = min(max(SIDE // total, 3), 72)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    wrong = np.where(np.eye(total, dtype=bool), 0.0, shares)
    top = max(float(wrong.max()), 0.01)
    names = [name_of(name) for name in classes]
    is_named = total <= MOST_NUMBERED
    size = min(20, max(12, cell // 2))
    label = max(width_of(name, size) for name in names) if is_named else 0
    is_turned = is_named and max(width_of(name, size) for name in names) > cell - 4
    below = (label if is_turned else size + 6) if is_named else 0
    left, up, side = MARGIN + 40 + label + 10, MARGIN + 60, cell * total
    pairs = [
        (f"{name_of(classes[a])} taken for {name_of(classes[b])}", n)
        for a, b, n in confused_pairs(counts)[: max(6, min(16, side // 34))]
    ]
    beside = max([width_of(f"{text}  {n}", 20) for text, n in pairs] + [320]) + 30
    width = left + side + 50 + beside + MARGIN
    picture = Image.new("RGB", (width, up + max(side, 240) + below + 56 + MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN, MARGIN - 6), title, DARK, font(28))
    gap = 2 if cell >= 20 else 0
    draw.rectangle((left - 1, up - 1, left + side, up + side), outline=LIGHT)
    for row, column in np.argwhere(counts).tolist():
        x, y = left + column * cell, up + row * cell
        is_right = row == column
        color = (226, 226, 226) if is_right else red(0.12 + 0.88 * shares[row, column] / top)
        draw.rectangle((x, y, x + cell - 1 - gap, y + cell - 1 - gap), color)
        if is_named:
            is_dark = not is_right and shares[row, column] > 0.55 * top
            text, letters = str(counts[row, column]), min(22, cell // 2)
            while width_of(text, letters) > cell - 4 and letters > 8:
                letters -= 1
            at = (x + (cell - gap) / 2, y + (cell - gap) / 2)
            ink = "white" if is_dark else GREY if is_right else DARK
            draw.text(at, text, ink, font(letters), anchor="mm")
    for place, name in enumerate(names if is_named else ()):
        middle = place * cell + cell / 2
        draw.text((left - 10, up + middle), name, DARK, font(size), anchor="rm")
        if is_turned:
            turned = line_of(name, size).rotate(90, expand=True)
            picture.paste(turned, (int(left + middle - turned.width / 2), up + side + 8))
        else:
            draw.text((left + middle, up + side + 4), name, DARK, font(size), anchor="ma")
    middle = up + side // 2
    turned = line_of("is", 22, GREY).rotate(90, expand=True)
    picture.paste(turned, (MARGIN, middle - turned.height // 2))
    at = (left + side / 2, up + side + below + 26)
    draw.text(at, "taken for", GREY, font(22), anchor="mt")
    x, y = left + side + 50, up
    draw.text((x, y), "Most confused" if pairs else "No mistakes", DARK, font(22))
    for number, (text, n) in enumerate(pairs, 1):
        draw.text((x, y + 8 + 34 * number), text, DARK, font(20))
        draw.text((x + beside - 10, y + 8 + 34 * number), str(n), WORSE, font(20), anchor="ra")
    return picture


def line_of(text: str, size: int, color: str = DARK) -> Image.Image:
    """Return a line of letters as a picture of its own."""
    made = Image.new("RGB", (width_of(text, size) + 2, size + 8), "white")
    ImageDraw.Draw(made).text((1, made.height / 2), text, color, font(size), anchor="lm")
    return made


def pixels_of(pixels: NDArray[np.uint8], side: int) -> Image.Image:
    """Return an image (C, H, W), enlarged pixel by pixel or reduced to fit into a square."""
    channels, height, width = pixels.shape
    shown = pixels if channels == 3 else np.repeat(pixels[:1], 3, 0)
    image = Image.fromarray(np.ascontiguousarray(shown.transpose(1, 2, 0)))
    times = side / max(height, width)
    size = (max(1, round(width * times)), max(1, round(height * times)))
    kind = Image.Resampling.NEAREST if times >= 1 else Image.Resampling.LANCZOS
    return image.resize(size, kind)


def mistakes_picture(
    mistakes: Sequence[Mistake], classes: Sequence[str], title: str
) -> Image.Image:
    """Return a sheet of mistakes, each with its class, what it was taken for, and how surely."""
    texts = [
        (
            f"is {name_of(classes[one.label])}",
            f"taken for {name_of(classes[one.guess])}",
            f"{100 * one.confidence:.0f} % sure",
        )
        for one in mistakes
    ]
    widest = max(width_of(line, 16) for text in texts for line in text)
    tile = max(TILE, min(widest, LARGEST_TILE))
    step, columns = max(tile, widest) + 24, min(COLUMNS, len(mistakes))
    rows = -(-len(mistakes) // columns)
    high = tile + 3 * 21 + 24
    width = max(2 * MARGIN + columns * step - 24, 2 * MARGIN + width_of(title, 26))
    picture = Image.new("RGB", (width, 2 * MARGIN + 44 + rows * high - 12), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN, MARGIN - 6), title, DARK, font(26))
    for place, (one, text) in enumerate(zip(mistakes, texts, strict=True)):
        x = MARGIN + place % columns * step
        y = MARGIN + 44 + place // columns * high
        picture.paste(pixels_of(one.pixels, tile), (x, y))
        for number, (line, color) in enumerate(zip(text, (DARK, WORSE, GREY), strict=True)):
            draw.text((x, y + tile + 6 + 21 * number), line, color, font(16))
    return picture
