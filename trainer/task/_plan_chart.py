"""Charts in a terminal: an area of block characters, one column per stretch of the run."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

BLOCKS = " " + "".join(chr(0x2580 + i) for i in range(1, 9))  # from empty to full, in eighths

PLAIN = " .,:;+=#@"  # for terminals that have no block characters

LINE = ("\u2501", "-")


def columns(values: Sequence[float], width: int) -> list[float]:
    """Return the mean of the values under each of `width` columns, every value counted."""
    count = len(values)
    bounds = [(i * count // width, max(-(-(i + 1) * count // width), 1)) for i in range(width)]
    return [sum(values[low:high]) / (high - low) for low, high in bounds]


def area(heights: Sequence[float], top: float, rows: int, blocks: str = BLOCKS) -> list[str]:
    """Return lines, the highest first, that fill each column up to its height.

    Args:
        heights: one per column, from 0 to `top`; anything above 0 shows.
        top: height of the highest line's upper edge.
        rows: lines.
        blocks: a character for each eighth of a line.
    """
    eighths = [
        max(round(8 * rows * height / top), 1) if height > 0.0 and top > 0.0 else 0
        for height in heights
    ]
    return [
        "".join(blocks[min(max(filled - 8 * row, 0), 8)] for filled in eighths)
        for row in reversed(range(rows))
    ]


def axis(last: float, width: int) -> str:
    """Return a line of round numbers from 0 to `last` (at least 1), each at its place under `width`
    columns."""
    line = [" "] * (width + len(f"{last:.0f}") + 1)
    free = 0
    for tick in range(0, int(last) + 1, tick_step(last)):
        label, place = str(tick), round(tick * width / last)
        if place >= free:
            line[place : place + len(label)] = label
            free = place + len(label) + 2
    return "".join(line).rstrip()


def tick_step(last: float, most: int = 8) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, ... that makes at most `most` steps up to `last`."""
    scale = 1
    while True:
        for factor in (1, 2, 5):
            if last / (factor * scale) <= most:
                return factor * scale
        scale *= 10


def shaded(line: str, split: int, before: str, after: str) -> Text:
    """Return a line in two colours, the second from column `split` on."""
    return Text(line[:split], style=before).append(line[split:], style=after)
