"""Pictures that belong to no data set: read as those were that a network was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.core.errors import DataError
from trainer.core.file_kinds import printable


@dataclass(frozen=True)
class PictureFile:
    """A file that may be a picture.

    Attributes:
        name: its path, below the folder that was looked through.
        pixels: (C, H, W) uint8; None where it cannot be read.
        problem: why not; empty where it can.
    """

    name: str
    pixels: NDArray[np.uint8] | None
    problem: str = ""


def find_pictures(place: Path) -> tuple[Path, list[str]]:
    """Return a folder and the paths of the pictures below it, sorted; of a file, its folder and its
    name.

    Raises:
        DataError: if there is nothing, or no picture in it.
    """
    from trainer.data._listing import list_pictures

    place = place.expanduser().absolute()
    if place.is_dir():
        return place, list_pictures(place)
    if not place.is_file():
        raise DataError(f"{printable(place)} not found: name a folder of pictures, or a picture")
    return place.parent, [place.name]


def read_pictures(
    folder: Path,
    names: Sequence[str],
    *,
    image_shape: tuple[int, int, int],
    bits: int = 16,
    batch_size: int = 256,
) -> Iterator[list[PictureFile]]:
    """Yield pictures in batches, decoded by a few threads as those of a data set are: upright,
    short side resized, centre-cropped; made grey where a network takes one channel.

    Args:
        folder: that they lie in.
        names: paths below it.
        image_shape: (C, H, W) of what is returned.
        bits: that grey values of 16 bits use.
        batch_size: pictures that are in memory at once.
    """
    from trainer.data._decode import decode_rows

    side = max(image_shape[1:])
    for low in range(0, len(names), batch_size):
        some = names[low : low + batch_size]
        pixels = np.empty((len(some), 3, side, side), np.uint8)
        paths = [folder / name for name in some]
        _, broken = decode_rows(paths, range(len(some)), side, bits, pixels)
        yield [
            PictureFile(name, None, broken[row])
            if row in broken
            else PictureFile(name, fitted(pixels[row], image_shape))
            for row, name in enumerate(some)
        ]


def fitted(pixels: NDArray[np.uint8], image_shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return the centre of square pixels (3, S, S), in so many channels."""
    from PIL import Image

    channels, height, width = image_shape
    top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
    pixels = pixels[:, top : top + height, left : left + width]
    if channels == 3:
        return pixels
    return np.asarray(Image.fromarray(pixels.transpose(1, 2, 0)).convert("L"))[None]
