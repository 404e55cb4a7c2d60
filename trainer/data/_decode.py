"""From an image file to pixels of one size."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.core.environment import cores
from trainer.core.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")  # others are never opened: each decoder is a way in
MAX_PIXELS = 64_000_000
CHUNK = 128  # files that a thread takes at a time
THREADS = 8


def decode_all(paths: Sequence[Path], size: int, out: NDArray[np.uint8]) -> None:
    """Decode files into `out`, by a few threads (the decoders release Python's lock).

    Args:
        paths: N files.
        size: pixels of height and width.
        out: (N, 3, size, size), written.

    Raises:
        DataError: naming the first file, in the order of `paths`, that is broken.
    """

    def work(start: int) -> None:
        for row, path in enumerate(paths[start : start + CHUNK], start):
            out[row] = decode(path, size)

    threads = ThreadPoolExecutor(min(THREADS, cores()))
    with warnings.catch_warnings():  # around the threads, as filters belong to the process
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        jobs = [threads.submit(work, start) for start in range(0, len(paths), CHUNK)]
        try:
            for job in jobs:
                job.result()
        finally:
            threads.shutdown(cancel_futures=True)


def decode(path: Path, size: int) -> NDArray[np.uint8]:
    """Return an image as (3, size, size): short side resized, then centre-cropped.

    Resizing is bilinear with antialiasing. Greyscale and palette become RGB, 16 bits become 8,
    transparency is dropped, EXIF orientation is not applied (as in torchvision).

    Raises:
        DataError: if the file is broken, too large or of another format; names it.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                raise DataError(f"{path} has {pixels} pixels; at most {MAX_PIXELS} are decoded")
            rgb = _to_rgb(image)
    except DataError:
        raise
    except Exception as error:  # decoders raise a dozen types for damaged files
        raise DataError(
            f"{path} cannot be decoded ({error}): {', '.join(FORMATS)} are read"
        ) from error
    width, height = rgb.size
    pixels = size * size * max(rgb.size) // min(rgb.size)
    if pixels > MAX_PIXELS:
        raise DataError(
            f"{path}, {width}x{height}, would have {pixels} pixels with a short side of {size}; at "
            f"most {MAX_PIXELS} are decoded"
        )
    return np.asarray(_fit(rgb, size)).transpose(2, 0, 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return the image as 8-bit RGB."""
    if image.mode.startswith("I"):  # 16-bit greyscale: Pillow would clip it
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("P", "PA"):  # directly, Pillow warns about palettes with transparency
        image = image.convert("RGBA")
    return image.convert("RGB")


def _fit(image: Image.Image, size: int) -> Image.Image:
    """Return the centre of the image, its short side resized to `size`."""
    scale = size / min(image.size)
    width, height = (max(round(side * scale), size) for side in image.size)
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    if width == height:
        return image
    left, top = (width - size) // 2, (height - size) // 2
    return image.crop((left, top, left + size, top + size))
