"""From files to pixels: every mode and format, what files say of themselves, broken ones named."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from trainer.core.errors import DataError
from trainer.core.units import Amount
from trainer.data._decode import MAX_PIXELS, TURNS, decode, decode_all
from trainer.data.image_folder import ImageFolder

SIZE = 6


def content_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return an image as a file's bytes."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def decoded(folder: Path, *contents: bytes, size: int = SIZE) -> tuple[np.ndarray, dict[str, int]]:
    """Return the pixels of files (N, 3, size, size) and what was counted, without any warning."""
    paths = [folder / f"{number:03d}.png" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    out = np.zeros((len(paths), 3, size, size), dtype=np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return out, decode_all(paths, size, out)


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        ("1", "PNG", [255, 255, 255]),
        ("L", "PNG", [90, 90, 90]),
        ("L", "JPEG", [90, 90, 90]),
        ("LA", "PNG", [90, 90, 90]),
        ("RGB", "BMP", [200, 100, 50]),
        ("RGB", "WEBP", [200, 100, 50]),
        ("RGBA", "PNG", [200, 100, 50]),
        ("RGBA", "WEBP", [200, 100, 50]),
        ("P", "PNG", [200, 100, 50]),
        ("CMYK", "JPEG", [200, 100, 50]),
        ("I;16", "PNG", [90, 90, 90]),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, mode, kind, expected):
    if mode in ("L", "LA", "1"):
        image = Image.new(mode, (SIZE, SIZE), {"L": 90, "LA": (90, 255), "1": 1}[mode])
    elif mode == "I;16":
        image = Image.fromarray(np.full((SIZE, SIZE), 90 << 8, dtype=np.uint16))
    else:
        image = Image.new("RGB", (SIZE, SIZE), (200, 100, 50))
        image = image.quantize(4) if mode == "P" else image.convert(mode)
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    pixels, facts = decoded(tmp_path, content_of(image, kind, **options))
    assert pixels[0, :, 3, 3].tolist() == pytest.approx(expected, abs=2 * (mode == "CMYK"))
    assert facts["turned"] == facts["transparent"] == 0
    assert facts["deep"] == (mode == "I;16")


def transparent() -> Iterator[tuple[str, bytes, list[int]]]:
    """Yield images under whose transparent left half lies red, and what they look like on white."""
    colours = {"RGBA": (255, 0, 0, 0), "LA": (40, 0)}
    for mode, colour in colours.items():
        image = Image.new(mode, (SIZE, SIZE), colour)
        image.paste((*colour[:-1], 255), (3, 0, SIZE, SIZE))
        right = [255, 0, 0] if mode == "RGBA" else [40, 40, 40]
        yield mode, content_of(image), right
        if mode == "RGBA":
            yield "WebP", content_of(image, "WEBP", lossless=True, exact=True), right
    image = Image.new("RGB", (SIZE, SIZE), (255, 0, 0))
    image.paste((0, 0, 255), (3, 0, SIZE, SIZE))
    yield "colour key", content_of(image, transparency=(255, 0, 0)), [0, 0, 255]
    palette = image.quantize(2)
    clear = palette.getpixel((0, 0))
    alphas = bytes(0 if index == clear else 255 for index in range(2))
    yield "palette", content_of(palette, transparency=alphas), [0, 0, 255]


@pytest.mark.parametrize(
    ("mode", "content", "right"), list(transparent()), ids=lambda v: str(v)[:9]
)
def test_what_is_transparent_is_white_whatever_lies_below(tmp_path, mode, content, right):
    pixels, facts = decoded(tmp_path, content)
    assert pixels[0, :, 3, 1].tolist() == [255, 255, 255]
    assert pixels[0, :, 3, 4].tolist() == right
    assert facts["transparent"] == 1


def test_half_transparent_is_half_white(tmp_path):
    pixels, _ = decoded(tmp_path, content_of(Image.new("RGBA", (SIZE, SIZE), (200, 100, 50, 51))))
    assert pixels[0, :, 2, 2].tolist() == [244, 224, 214]  # 0.2 * colour + 0.8 * 255


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_every_orientation_is_made_upright(tmp_path, kind):
    upright = np.zeros((8, 16, 3), dtype=np.uint8)
    upright[:4, 4:8] = 255  # no symmetry: the upper left of the square in the middle
    back = {5: 5, 6: 8, 7: 7, 8: 6}  # what undoes each turn; the others undo themselves
    contents = []
    for value in range(1, 9):
        turn = TURNS.get(back.get(value, value))
        image = Image.fromarray(upright)
        stored = image if turn is None else image.transpose(turn)
        exif = Image.Exif()
        exif[0x0112] = value
        options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
        contents.append(content_of(stored, kind, exif=exif.tobytes(), **options.get(kind, {})))
    pixels, facts = decoded(tmp_path, *contents, size=8)
    assert facts["turned"] == 7
    for image in pixels:
        assert (image > 127).tolist() == (pixels[0] > 127).tolist()
        assert (image > 127).sum() == 3 * 16
        assert (image[:, :4, :4] > 127).all()


@pytest.mark.parametrize("value", [0, 9, 65535, 99])
def test_an_orientation_that_there_is_not_turns_nothing(tmp_path, value):
    exif = Image.Exif()
    exif[0x0112] = value
    content = content_of(Image.new("L", (SIZE, SIZE), 9), "JPEG", exif=exif.tobytes())
    assert decoded(tmp_path, content)[1]["turned"] == 0


@pytest.mark.slow
def test_damaged_exif_data_cost_no_image_and_no_warning(tmp_path):
    plain = Image.new("L", (SIZE, SIZE), 90)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "text " * 20
    whole = exif.tobytes()
    generator = np.random.default_rng(0)
    contents = [content_of(plain, "JPEG", exif=whole[:length]) for length in range(7, 60)]
    for _ in range(200):
        damaged = bytearray(whole)
        for place in generator.integers(6, len(whole), 3):
            damaged[place] = generator.integers(256)
        contents.append(content_of(plain, "JPEG", exif=bytes(damaged)))
    pixels, _ = decoded(tmp_path, *contents)
    assert (abs(pixels.astype(int) - 90) <= 1).all()


@pytest.mark.parametrize(
    ("highest", "bits"), [(255, 8), (256, 10), (4095, 12), (4096, 14), (16384, 16), (65535, 16)]
)
def test_grey_values_of_16_bits_keep_the_range_that_all_files_use(tmp_path, highest, bits):
    values = [0, highest // 2, highest]
    contents = [
        content_of(Image.fromarray(np.full((SIZE, SIZE), value, dtype=np.uint16)))
        for value in values
    ]
    contents.append(content_of(Image.new("L", (SIZE, SIZE), 77)))
    pixels, facts = decoded(tmp_path, *contents)
    expected = [value >> (bits - 8) for value in values]
    assert pixels[:, 0, 0, 0].tolist() == [*expected, 77]
    assert facts == {"turned": 0, "transparent": 0, "deep": 3, "bits": bits}


def test_colours_of_16_bits_are_counted(tmp_path):
    rows = b"".join(b"\0" + struct.pack(">H", 0x5A21) * 3 * SIZE for _ in range(SIZE))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 16, 2, 0, 0, 0)
    pixels, facts = decoded(tmp_path, png((b"IHDR", header), (b"IDAT", zlib.compress(rows))))
    assert pixels[0, :, 0, 0].tolist() == [0x5A] * 3
    assert facts["deep"] == 1


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file of these chunks."""
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in (*chunks, (b"IEND", b"")):
        crc = struct.pack(">I", zlib.crc32(name + data))
        content += struct.pack(">I", len(data)) + name + data + crc
    return content


def beside_pixels() -> Iterator[tuple[str, bytes]]:
    """Yield PNG files whose texts or profiles are long, packed or damaged."""
    image = Image.new("L", (SIZE, SIZE), 90)
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 9_000_000, zip=True)
    yield "long zTXt", content_of(image, pnginfo=info)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("comment", "x" * 9_000_000, zip=True)
    yield "long iTXt", content_of(image, pnginfo=info)
    info = PngImagePlugin.PngInfo()
    for number in range(80):
        info.add_text(f"comment {number}", "x" * 1_000_000, zip=True)
    yield "many zTXt", content_of(image, pnginfo=info)
    yield "long profile", content_of(image, icc_profile=b"x" * 9_000_000)
    plain = content_of(image)
    for name in (b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"eXIf"):
        for data in (b"", b"a", b"a\0\0junk", b"\0" * 5):
            chunk = png((name, data))[8:-12]
            yield f"{name.decode()} {data!r}", plain[:33] + chunk + plain[33:]
            broken = chunk[:-1] + bytes([chunk[-1] ^ 1])  # its sum
            yield f"{name.decode()} {data!r}, wrong sum", plain[:33] + broken + plain[33:]


@pytest.mark.slow
def test_what_a_png_file_holds_besides_pixels_costs_no_image(tmp_path):
    names, contents = zip(*beside_pixels(), strict=True)
    pixels, _ = decoded(tmp_path, *contents)
    assert {n for n, image in zip(names, pixels, strict=True) if (image != 90).any()} == set()


def test_short_side_is_resized_and_the_centre_kept(tmp_path):
    pixels = np.zeros((8, 16, 3), dtype=np.uint8)
    pixels[:, 4:12] = 255  # the middle square is white
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert (decode(tmp_path / "wide.png", 8) == 255).all()
    half = decode(tmp_path / "wide.png", 4)
    assert half.shape == (3, 4, 4)
    assert (half[:, :, 1:3] == 255).all()
    assert decode(tmp_path / "wide.png", 20).shape == (3, 20, 20)


def png_header_of(width: int, height: int) -> bytes:
    """Return the start of a PNG file that claims a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png((b"IHDR", header), (b"IDAT", zlib.compress(b"\0")))


def truncated_jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return content_of(Image.fromarray(noise), "JPEG")[:1500]


BROKEN = [
    (b"", r"0001\.png is empty, as of a copy or a download that was broken off; PNG, JPEG,"),
    (b"not an image", r"0001\.png is text; PNG, JPEG, WEBP and BMP are read"),
    (bytes(range(128, 200)), r"0001\.png is damaged or no image \(no image is recognised in it\)"),
    (b"\x89PNG\r\n\x1a\nbroken", r"is a damaged PNG image \(no image is recognised in it\)$"),
    (truncated_jpeg(), r"0001\.png is a damaged JPEG image \(image file is truncated.*\)"),
    (content_of(Image.new("L", (4, 4)), "GIF"), r"0001\.png is a GIF image; PNG, JPEG, WEBP and"),
    (content_of(Image.new("L", (4, 4)), "TIFF"), r"0001\.png is a TIFF image"),
    (b"version https://git-lfs.github.com/spec/v1\noid", r"is a Git LFS pointer.*git lfs pull"),
    (png_header_of(10_000, 9_500), "has too many pixels; at most 64000000 are decoded"),
    (png_header_of(60_000, 60_000), "has too many pixels; at most 64000000 are decoded"),
    (png_header_of(8_001, 8_000), rf"has 64008000 pixels; at most {MAX_PIXELS} are decoded"),
]


@pytest.mark.parametrize(("content", "why"), BROKEN, ids=lambda value: str(value)[:20])
def test_broken_image_is_named_with_the_cause(tmp_path, write_tree, content, why):
    write_tree(tmp_path / "train", {"cat": 3, "dog": 3})
    (tmp_path / "train/dog/0001.png").write_bytes(content)
    with pytest.raises(DataError, match=why) as error:
        ImageFolder().read(str(tmp_path))
    assert str(error.value).count("0001.png") == 1
    assert " object at 0x" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 10, 11, 300])
def test_up_to_ten_broken_images_are_named_and_all_counted(tmp_path, write_tree, number):
    write_tree(tmp_path / "train", {"cat": 300, "dog": 3})
    for i in range(number):
        (tmp_path / f"train/cat/{299 - i:04d}.png").write_bytes(b"GIF89a" if i % 2 else b"")
    with pytest.raises(DataError, match=f"^{number} of 303 images cannot be read: ") as error:
        ImageFolder(test=Amount(2, False)).read(str(tmp_path))
    assert str(error.value).count(".png") == min(number, 10)
    more = f" and {number - 10} more" if number > 10 else ""
    assert str(error.value).endswith(f"are read{more}")
    assert not (tmp_path / ".trainer-cache").exists()
