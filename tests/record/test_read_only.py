"""A disk that is read-only is told as one, with the code of disks, and nothing is lost."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.chaos.disk import mount, unmount
from tests.command import TINY, Call

MESSAGE = r"cannot write .*disk.*: read-only file system; \d+ bytes needed, \d+ bytes free"


@pytest.fixture
def disk(here: Path) -> Iterator[Path]:
    """A disk of its own where this may mount one, else a folder."""
    folder = here / "disk"
    folder.mkdir()
    is_mounted = mount(folder, "16m")
    yield folder
    if is_mounted:
        unmount(folder)


def make_read_only(disk: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let nothing be written there any more, or let the system say so; return whether it is so."""
    if os.path.ismount(disk):
        return mount(disk, "16m", remount=True, read_only=True)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    return False


@pytest.mark.slow
def test_a_new_run_there_ends_before_it_begins(
    call: Call, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_read_only(disk, monkeypatch)
    done = call(*TINY, f"hydra.run.dir={disk / 'run'}")
    assert done.code == 74, done.err
    assert re.search(MESSAGE, done.err), done.err
    assert not list(disk.iterdir())


@pytest.mark.slow
def test_a_run_there_is_not_gone_on_with_until_the_disk_can_be_written(
    call: Call, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = disk / "run"
    assert (
        call(*TINY, "checkpoint.keep=all", "checkpoint.every=1st", f"hydra.run.dir={run}").code == 0
    )
    (run / "summary.json").unlink()
    with monkeypatch.context() as patch:
        if make_read_only(disk, patch):  # what is asked of the disk itself cannot be made up
            before = sorted(p.name for p in (run / "checkpoints").iterdir())
            done = call(f"resume={run}")
            assert done.code == 74, done.err
            assert re.search(MESSAGE, done.err), done.err
            assert sorted(p.name for p in (run / "checkpoints").iterdir()) == before
            assert mount(disk, "16m", remount=True)
    done = call(f"resume={run}")
    assert done.code == 0, done.err
