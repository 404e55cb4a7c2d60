"""From image files to pixels of one size."""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from trainer.core.environment import cores
from trainer.core.errors import DataError
from trainer.core.file_kinds import kind_of, printable

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")  # others are never opened: each decoder is a way in
READ = f"{', '.join(FORMATS[:-1])} and {FORMATS[-1]} are read"
MAX_PIXELS = 64_000_000
CHUNK = 128  # files that a thread takes at a time
THREADS = 8
SHOWN = 10  # broken files that a message names
WHITE = (255, 255, 255, 255)

ORIENTATION = 0x0112  # EXIF's tag, and what makes an image of each value upright
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras and scanners measure with
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # of a PNG file


@dataclass(frozen=True)
class FileFacts:
    """What a file says of its pixels, besides them.

    Attributes:
        turned: whether its EXIF orientation was applied.
        transparent: whether it was laid on white.
        deep: whether it has 16 bits a channel.
        highest: its highest grey value where those are 16 bits; 0 for others.
    """

    turned: bool = False
    transparent: bool = False
    deep: bool = False
    highest: int = 0


def decode_all(paths: Sequence[Path], size: int, out: NDArray[np.uint8]) -> dict[str, int]:
    """Decode N files into `out`, (N, 3, size, size), by a few threads: the decoders release
    Python's lock.

    Grey values of 16 bits become 8 by the range that all such files use together: cameras store 10
    or 12 bits in 16.

    Returns:
        How many images were turned, laid on white and had 16 bits, and the bits of those.

    Raises:
        DataError: naming the files that are broken, in the order of `paths`.
    """
    rows = list(range(len(paths)))
    found, broken = decode_rows(paths, rows, size, 16, out)
    highest = max((facts.highest for facts in found.values()), default=0)
    bits = next(depth for depth in DEPTHS if highest < 2**depth)
    if not broken and highest and bits < 16:
        grey = [row for row in rows if found[row].highest]
        broken = decode_rows(paths, grey, size, bits, out)[1]
    if broken:
        texts = [broken[row] for row in sorted(broken)]
        more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
        many = f"{len(texts)} of {len(paths)} images cannot be read: " if len(texts) > 1 else ""
        raise DataError(many + "; ".join(texts[:SHOWN]) + more)
    facts = {
        name: sum(getattr(f, name) for f in found.values())
        for name in ("turned", "transparent", "deep")
    }
    facts["bits"] = bits if highest else 16
    return {name: value for name, value in facts.items() if facts["deep"] or name != "bits"}


def decode_rows(
    paths: Sequence[Path], rows: Sequence[int], size: int, bits: int, out: NDArray[np.uint8]
) -> tuple[dict[int, FileFacts], dict[int, str]]:
    """Decode the files of some rows; return what was found of each, and what is wrong with each
    that is broken."""
    found: dict[int, FileFacts] = {}
    broken: dict[int, str] = {}

    def work(part: Sequence[int]) -> None:
        for row in part:
            try:
                out[row], found[row] = _decode(paths[row], size, bits)
            except DataError as error:
                broken[row] = str(error)

    threads = ThreadPoolExecutor(min(THREADS, cores()))
    with warnings.catch_warnings():  # around the threads, as filters belong to the process
        _strict()
        jobs = [threads.submit(work, rows[low : low + CHUNK]) for low in range(0, len(rows), CHUNK)]
        try:
            for job in jobs:
                job.result()
        finally:
            threads.shutdown(cancel_futures=True)
    return found, broken


def _strict() -> None:
    """Let Pillow be silent on damage that costs no pixel, and refuse what no memory holds."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def decode(path: Path, size: int) -> NDArray[np.uint8]:
    """Return an image as (3, size, size): short side resized, then centre-cropped.

    Resizing is bilinear with antialiasing. Greyscale and palette become RGB. An EXIF orientation is
    applied, as every viewer does. What is transparent is laid on white: the colours below are
    whatever the program that saved it left there. 16 bits become the upper 8.

    Raises:
        DataError: if the file is broken, too large or of another format; names it.
    """
    with warnings.catch_warnings():
        _strict()
        return _decode(path, size, 16)[0]


def _decode(path: Path, size: int, bits: int) -> tuple[NDArray[np.uint8], FileFacts]:
    """Return an image as `decode` does, its grey values as those of so many bits, and what the file
    says of them."""
    try:
        rgb, found = _read(path, bits)
    except (DataError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{printable(path)} has too many pixels; at most {MAX_PIXELS} are decoded"
        ) from error
    except Exception as error:  # decoders raise a dozen types for damaged files
        raise DataError(_why(path, error)) from error
    width, height = rgb.size
    pixels = size * size * max(rgb.size) // min(rgb.size)
    if pixels > MAX_PIXELS:
        raise DataError(
            f"{printable(path)}, {width}x{height}, would have {pixels} pixels with a short side of "
            f"{size}; at most {MAX_PIXELS} are decoded"
        )
    return np.asarray(_fit(rgb, size)).transpose(2, 0, 1), found


def _read(path: Path, bits: int) -> tuple[Image.Image, FileFacts]:
    """Return a file's image and what it says of it. A PNG file that cannot be read as it is is read
    without its texts and profiles: Pillow limits their length."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return _upright(image, path, bits)
    except (ValueError, SyntaxError, OSError, EOFError):
        content = path.read_bytes()
        pixels = _pixels_only(content)
        if pixels in (b"", content):
            raise
        with Image.open(io.BytesIO(pixels), formats=FORMATS) as image:
            return _upright(image, path, bits)


def _pixels_only(content: bytes) -> bytes:
    """Return a PNG file's chunks of pixels, and its EXIF data if they are whole; nothing of another
    file."""
    if content[:8] != b"\x89PNG\r\n\x1a\n":
        return b""
    kept, low = [content[:8]], 8
    while low + 8 <= len(content):
        length, name = struct.unpack(">I4s", content[low : low + 8])
        end = low + length + 12
        crc = struct.pack(">I", zlib.crc32(content[low + 4 : end - 4]))
        if name in PIXEL_CHUNKS or (name == b"eXIf" and content[end - 4 : end] == crc):
            kept.append(content[low:end])
        low = end
    return b"".join(kept)


def _upright(file: ImageFile.ImageFile, path: Path, bits: int) -> tuple[Image.Image, FileFacts]:
    """Return an open image as 8-bit RGB, turned as its EXIF data say."""
    pixels = file.width * file.height
    if pixels > MAX_PIXELS:
        raise DataError(f"{printable(path)} has {pixels} pixels; at most {MAX_PIXELS} are decoded")
    is_deep = any(";16" in str(tile[3]) for tile in file.tile)
    file.load()
    turn, image = TURNS.get(_orientation(file)), cast("Image.Image", file)
    transparent, highest = False, 0
    if image.mode.startswith("I"):  # 16-bit greyscale: Pillow would clip it
        values = np.asarray(image)
        highest = int(values.max())
        image = Image.fromarray(np.minimum(values >> (bits - 8), 255).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        transparent = image.getchannel("A").histogram()[255] < image.width * image.height
        image = Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image)
    image = image.convert("RGB")
    if turn is not None:
        image = image.transpose(turn)
    return image, FileFacts(turn is not None, transparent, is_deep, highest)


def _orientation(image: Image.Image) -> int:
    """Return the orientation in an image's EXIF data; 1, upright, where they are damaged."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # readers raise a dozen types for damaged data
        return 1


def _why(path: Path, error: Exception) -> str:
    """Return what is wrong with a file that could not be decoded."""
    name = printable(path)
    if isinstance(error, OSError) and error.errno is not None:
        return f"{name} cannot be read: {os.strerror(error.errno).lower()}"
    kind = kind_of(path)
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, UnidentifiedImageError):  # its text names an object of Python's
        reason = "no image is recognised in it"
    if kind and kind.partition(" image")[0].split()[-1] in ("PNG", "JPEG", "WebP", "BMP"):
        return f"{name} is a damaged {kind.partition(' ')[2]} ({reason})"
    if kind:
        return f"{name} is {kind}; {READ}"
    return f"{name} is damaged or no image ({reason}); {READ}"


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
