"""Flushing to the disk: what is lost ends a run, what a file system cannot do is a line."""

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path

import pytest

from tests.command import ROOT, TINY, Call
from tests.nobody import as_nobody
from trainer.core import files
from trainer.core.errors import ConfigError, DiskError
from trainer.core.files import LOST_ERRORS, replace_text, reporting_disk

CANNOT = ("EINVAL", "ENOSYS", "EOPNOTSUPP", "EBADF", "EROFS", "EPERM", "EACCES", "EINTR")


def fail_with(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse every flush."""

    def fsync(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    files.note_once.cache_clear()


@pytest.mark.parametrize("name", CANNOT)
def test_a_file_system_that_cannot_flush_is_noted_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_with(getattr(errno, name), monkeypatch)
    for text in ("one", "two"):
        replace_text(tmp_path / "file", text)
    assert (tmp_path / "file").read_text() == "two"
    assert ["cannot flush to the disk" in message for message in caplog.messages] == [True]
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("number", LOST_ERRORS, ids=errno.errorcode.get)
def test_what_is_not_on_the_disk_is_an_error(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("before")
    fail_with(number, monkeypatch)
    with pytest.raises(DiskError, match=os.strerror(number).lower()):
        replace_text(tmp_path / "file", "after")
    assert (tmp_path / "file").read_text() == "before"
    with pytest.raises(DiskError), reporting_disk(tmp_path):
        os.fsync(0)


def test_a_file_that_may_not_be_written_is_told_by_what_permission_is_missing(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old.png").touch(0o444)
    folder.chmod(0o555)
    with as_nobody(*(p for p in (tmp_path, *tmp_path.parents) if not p.stat().st_mode & 1)):
        for name, missing in (("new.png", f"in {folder}"), ("old.png", "it")):
            with pytest.raises(ConfigError) as refused:
                files.check_writable(folder / name, "task.picture")
            told = f"cannot write task.picture={folder / name}: no permission to write {missing}"
            assert str(refused.value) == told
    assert os.listdir(folder) == ["old.png"]


@pytest.mark.slow
def test_a_run_where_nothing_can_be_flushed_completes_with_a_note(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(errno.EINVAL, monkeypatch)
    done = call(*TINY, "max_steps=2", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert (here / "run/checkpoints/step-00000002/manifest.json").is_file()


@pytest.mark.slow
def test_one_module_flushes() -> None:
    found = [
        str(file.relative_to(ROOT))
        for file in sorted((ROOT / "trainer").rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("fsync", "fdatasync", "syncfs")
    ]
    assert found == ["trainer/core/files.py"]
