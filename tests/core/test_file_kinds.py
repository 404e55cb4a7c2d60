"""What files are by their first bytes, and names in one line."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.core.file_kinds import HEAD, joined, kind_of, kind_of_head, printable


def packed(kind: str) -> bytes:
    """Return an archive with one file."""
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a", "text")
    else:
        with tarfile.open(fileobj=stream, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("a"))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "git lfs pull"),
        (b"/annex/objects/SHA256E-s1--0.png\n", "git annex get"),
        (b"GIF89a\1\0\1\0", "a GIF image"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "raw file"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xffO\xffQ\0/", "JPEG 2000"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\1\0\1\0\x10\x10", "icon"),
        (b"P6\n4 4\n255\n", "Netpbm"),
        (b"%PDF-1.7\n", "PDF"),
        (packed("zip"), "ZIP archive"),
        (packed("tar"), "tar archive"),
        (gzip.compress(b"text", mtime=0), "gzip"),
        (pickle.dumps([1]), "pickle"),
        (b"\x93NUMPY\1\0", "NumPy"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X", "macOS"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "a WebP image"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "a sound"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
        (b"\x89PNG\n\x1a\n\0\0", "line ends were changed"),
        (b"\xff\xd8\xff\xe0", "a JPEG image"),
        (b"BM\x46\0\0\0\0\0\0\0", "a BMP image"),
        (b"\n <!DOCTYPE html>\n<html>", "a web page"),
        (b"<html><head>", "a web page"),
        (b"<?xml version='1.0'?>\n<svg width='4'>", "SVG"),
        (b"<svg xmlns=''>", "SVG"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "XML"),
        (b'{"message": "Not Found"}', "JSON"),
        (b"\xff\xfea\0b\0", "UTF-16"),
        (bytes(600), "zeros"),
        (b"hello, world\n", "text"),
        ("caf\u00e9 ".encode() * 200, "text"),
        (b"\x80\x81\x82", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_first_bytes_tell_what_a_file_is(tmp_path: Path, head: bytes, kind: str | None) -> None:
    (tmp_path / "file").write_bytes(head)
    found = kind_of(tmp_path / "file")
    assert found == kind_of_head(head[:HEAD])
    assert found is None if kind is None else kind in (found or "")


def test_of_what_cannot_be_read_nothing_is_known(tmp_path: Path) -> None:
    assert kind_of(tmp_path / "nothing") is None
    assert kind_of(tmp_path) is None


@given(st.binary(max_size=600))
def test_any_bytes_are_something_or_nothing(head: bytes) -> None:
    assert "\n" not in (kind_of_head(head) or "")


@given(st.binary(min_size=1, max_size=500))
def test_any_name_stands_in_one_printable_line(name: bytes) -> None:
    shown = printable(os.fsdecode(name))
    assert shown.isprintable()
    shown.encode()  # no half of a character either
    assert len(shown) <= 303


def test_names_of_other_alphabets_stay_as_they_are() -> None:
    assert printable("/data/\u5b66\u7fd2/caf\u00e9 1.png") == "/data/\u5b66\u7fd2/caf\u00e9 1.png"
    assert printable("a\nb\u202e\udce9") == r"a\nb\u202e\udce9"
    assert joined(["a", "b\n", "c"], 2) == r"a, b\n and 1 more"
