"""What a file is by its first bytes, and how files are named in messages."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

LONGEST = 300  # characters of a path in a message
HEAD = 512  # bytes that are looked at

# What files begin with, what that is, and what to do about it where that is known.
KINDS: tuple[tuple[bytes, str], ...] = (
    (rb"version https://git-lfs", "a Git LFS pointer, not the file itself: run git lfs pull"),
    (rb"version https://hawser", "a Git LFS pointer, not the file itself: run git lfs pull"),
    (rb"/annex/objects/", "a git-annex pointer, not the file itself: run git annex get"),
    (rb"GIF8[79]a", "a GIF image"),
    (rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "a TIFF image, or a camera's raw file"),
    (rb"(?s:.{4})ftyp(?:heic|heix|heim|heis|hevc|mif1|msf1)", "a HEIC image, as telephones take"),
    (rb"(?s:.{4})ftypavi[fs]", "an AVIF image"),
    (rb"(?s:.{4})ftypcrx", "a camera's raw file"),
    (rb"(?s:.{4})ftyp", "a video"),
    (rb"\0\0\0\x0cJXL |\xff\x0a", "a JPEG XL image"),
    (rb"\0\0\0\x0cjP  |\xffO\xffQ", "a JPEG 2000 image"),
    (rb"8BPS", "a Photoshop file"),
    (rb"\x00\x00[\x01\x02]\x00", "an icon of Windows"),
    (rb"P[1-7]\s", "a Netpbm image"),
    (rb"qoif", "a QOI image"),
    (rb"DDS ", "a DDS texture"),
    (rb"v/1\x01", "an OpenEXR image"),
    (rb"#\?RADIANCE", "a Radiance HDR image"),
    (rb"SIMPLE  =", "a FITS image"),
    (rb"(?s:.{128})DICM", "a DICOM image"),
    (rb"\x89HDF", "an HDF5 file"),
    (rb"%PDF", "a PDF document"),
    (rb"%!PS", "a PostScript file"),
    (rb"PK\x03\x04|PK\x05\x06", "a ZIP archive: unpack it"),
    (rb"\x1f\x8b", "compressed by gzip: unpack it"),
    (rb"BZh", "compressed by bzip2: unpack it"),
    (rb"\xfd7zXZ\0", "compressed by xz: unpack it"),
    (rb"7z\xbc\xaf", "a 7z archive: unpack it"),
    (rb"Rar!", "a RAR archive: unpack it"),
    (rb"(?s:.{257})ustar", "a tar archive: unpack it"),
    (rb"\x93NUMPY", "an array of NumPy"),
    (rb"\x80[\x02-\x05]", "a pickle of Python"),
    (rb"\x00\x05\x16[\x00\x07]", "what macOS stores beside a file, not the file itself"),
    (rb"RIFF(?s:.{4})WEBP", "a WebP image"),
    (rb"RIFF", "a sound or a video"),
    (rb"\x1aE\xdf\xa3", "a video"),
    (rb"SQLite format 3", "a database of SQLite"),
    (rb"\x7fELF|MZ", "a program"),
    (rb"\x89PNG\r\n\x1a\n", "a PNG image"),
    (rb"\x89PNG", "a PNG image whose line ends were changed, as by a transfer as text"),
    (rb"\xff\xd8\xff", "a JPEG image"),
    (rb"BM(?s:.{4})\0\0\0\0", "a BMP image"),
    (
        rb"(?:\xef\xbb\xbf)?\s*(?i:<!doctype html|<html|<head|<body)",
        "a web page, as of a failed download",
    ),
    (rb"(?s:(?:\xef\xbb\xbf)?\s*(?:<\?xml.{0,400}|<!--.{0,400})?<svg)", "an SVG drawing"),
    (rb"(?:\xef\xbb\xbf)?\s*<\?xml", "XML, as of a failed download"),
    (rb"(?:\xef\xbb\xbf)?\s*[{\[]\s*[\"{\[]", "JSON, as of a failed download"),
    (rb"\xff\xfe\0\0|\0\0\xfe\xff", "text in UTF-32"),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16"),
)
PATTERNS = tuple((re.compile(pattern), name) for pattern, name in KINDS)


def kind_of(file: Path) -> str | None:
    """Return in words what a file is, by its first bytes; None where they tell nothing, or cannot
    be read."""
    try:
        with open(file, "rb", buffering=0) as content:
            head = content.read(HEAD)
    except OSError:
        return None
    return kind_of_head(head)


def kind_of_head(head: bytes) -> str | None:
    """Return in words what begins with these bytes; None where they tell nothing."""
    if not head:
        return "empty, as of a copy or a download that was broken off"
    for pattern, name in PATTERNS:
        if pattern.match(head):
            return name
    if not head.strip(b"\0"):
        return "nothing but zeros, as of a copy that was broken off"
    try:
        text = head.decode("utf-8-sig", "strict" if len(head) < HEAD else "ignore")
    except UnicodeDecodeError:
        return None
    return "text" if all(c.isprintable() or c.isspace() for c in text) else None


def printable(path: str | os.PathLike[str]) -> str:
    """Return a path as it can stand in one line of a message: what is no printable character is
    escaped, and what is very long shortened."""
    text = os.fspath(path)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}...{text[-LONGEST // 2 :]}"


def joined(items: Sequence[str], most: int) -> str:
    """Return names for a message, the first `most` of them and how many more there are."""
    shown = ", ".join(printable(item) for item in items[:most])
    return shown + (f" and {len(items) - most} more" if len(items) > most else "")
