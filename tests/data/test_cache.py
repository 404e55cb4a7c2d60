"""The cache of decoded images: whole or not there, mapped, rebuilt when damaged, shared by
processes.
"""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.command import PATIENCE_S
from tests.nobody import as_nobody
from trainer.core.errors import DiskError
from trainer.core.locks import locked
from trainer.data import _cache
from trainer.data._cache import (
    COARSE_TICK_NS,
    FOLDER,
    TICK_NS,
    CachePlan,
    cached,
    content_key,
    status,
)
from trainer.data._stats import fingerprint, mean_std

KEY = "0123456789abcdef0123456789abcdef"
SIZES = {"train": 3, "test": 2}


def plan(value: int = 7, calls: list[int] | None = None, wait_s: float = 0.0) -> CachePlan:
    def fill(images, labels):
        if calls is not None:
            calls.append(1)
        time.sleep(wait_s)
        images[:] = np.arange(5, dtype=np.uint8)[:, None, None, None] + value
        labels[:] = [0, 1, 0, 1, 1]
        return {"turned": value}

    return CachePlan(SIZES, (1, 2, 2), ("a", "b"), fill)


def folder_of(root: Path) -> Path:
    (folder,) = (root / FOLDER).glob("set-*")
    return folder


def test_images_come_back_split_with_their_statistics(tmp_path):
    source = cached(tmp_path, "set", KEY, plan)
    assert source.train.images[:, 0, 0, 0].tolist() == [7, 8, 9]
    assert source.test.labels.tolist() == [1, 1]
    assert source.mean == pytest.approx([8 / 255])
    assert source.std == pytest.approx([np.std([7, 8, 9]) / 255])
    assert source.fingerprint == fingerprint([source.train, source.test])
    assert source.facts == cached(tmp_path, "set", KEY, plan).facts == {"turned": 7}


def test_later_runs_map_what_the_first_made(tmp_path):
    calls: list[int] = []
    first = cached(tmp_path, "set", KEY, lambda: plan(calls=calls))
    again = cached(tmp_path, "set", KEY, lambda: plan(calls=calls))
    assert calls == [1]
    assert torch.equal(again.train.images, first.train.images)
    assert os.listdir(tmp_path / FOLDER) == [f"set-{KEY[:24]}"]  # nothing temporary is left


def test_writing_to_mapped_images_is_allowed_and_stays_in_memory(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = cached(tmp_path, "set", KEY, plan)
    source.train.images.zero_()
    assert cached(tmp_path, "set", KEY, plan).train.images.sum() > 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: os.truncate(f / "images.bin", 10),
        lambda f: (f / "images.bin").unlink(),
        lambda f: os.truncate(f / "labels.bin", 16),
        lambda f: (f / "labels.bin").write_bytes(bytes(40)),
        lambda f: (f / "meta.json").write_text("{"),
        lambda f: (f / "meta.json").write_text("{}"),
        lambda f: (f / "meta.json").unlink(),
        lambda f: change_meta(f, format=0),
        lambda f: change_meta(f, mean=[0.3]),
        lambda f: change_meta(f, classes=["b", "a"]),
        lambda f: change_meta(f, sizes={"train": 2, "test": 3}),
        lambda f: change_meta(f, fingerprint="0" * 64),
        lambda f: change_meta(f, facts={"turned": 0}),
        lambda f: flip_a_bit(f / "images.bin"),
    ],
)
def test_damaged_cache_is_made_anew(tmp_path, damage, caplog):
    caplog.set_level("INFO", logger="trainer")
    before = cached(tmp_path, "set", KEY, plan).fingerprint
    damage(folder_of(tmp_path))
    calls: list[int] = []
    assert cached(tmp_path, "set", KEY, lambda: plan(calls=calls)).fingerprint == before
    assert calls == [1]
    assert len(list((tmp_path / FOLDER).iterdir())) == 1
    assert [r.getMessage().split(KEY[:24])[1] for r in caplog.records] == [
        " is damaged: the images are decoded anew"
    ]


def change_meta(folder: Path, **values) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, **values}))


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[7] ^= 1
    file.write_bytes(content)


def test_failed_decoding_leaves_nothing(tmp_path):
    def fail(images, labels):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        cached(tmp_path, "set", KEY, lambda: CachePlan(SIZES, (1, 2, 2), ("a", "b"), fail))
    assert not (tmp_path / FOLDER).exists()


def test_a_folder_in_the_making_that_nobody_holds_goes(tmp_path):
    left, held = (tmp_path / FOLDER / f".set-{KEY[:24]}-{name}" for name in ("left", "held"))
    for making in (left, held):
        making.mkdir(parents=True)
    with locked(held.with_name(f"{held.name}.lock")):
        cached(tmp_path, "set", KEY, plan)
        assert (left.exists(), held.exists()) == (False, True)


@pytest.mark.slow
def test_what_a_killed_process_left_goes_at_the_next_use_and_what_a_live_one_fills_stays(tmp_path):
    cached(tmp_path, "set", KEY, plan)
    context = multiprocessing.get_context("fork")
    processes = []
    for key in ("another", "third"):
        begun = context.Event()
        process = context.Process(target=_fill_for_ever, args=(tmp_path, key, begun))
        process.start()
        assert begun.wait(60)
        processes.append(process)
    (dead,) = (tmp_path / FOLDER).glob(".set-another-*[!k]")
    (live,) = (tmp_path / FOLDER).glob(".set-third-*[!k]")
    processes[0].kill()
    processes[0].join(60)
    cached(tmp_path, "set", KEY, plan)
    assert (dead.exists(), live.exists()) == (False, True)
    processes[1].kill()
    processes[1].join(60)


def _fill_for_ever(root: Path, key: str, begun) -> None:
    def fill(images, labels):
        begun.set()
        time.sleep(60)

    cached(root, "set", key, lambda: CachePlan(SIZES, (1, 2, 2), ("a", "b"), fill))


def test_user_cache_is_used_where_data_may_not_be_written(tmp_path):
    (tmp_path / FOLDER).write_text("in the way, as on a read-only disk")
    calls: list[int] = []
    for _ in range(2):
        cached(tmp_path, "set", KEY, lambda: plan(calls=calls))
    assert calls == [1]
    assert list(Path(os.environ["XDG_CACHE_HOME"]).glob("trainer/set-*"))


def test_without_any_place_images_are_decoded_into_memory(tmp_path, monkeypatch):
    (tmp_path / FOLDER).write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / FOLDER))
    assert cached(tmp_path, "set", KEY, plan).test.images[:, 0, 0, 0].tolist() == [10, 11]


@pytest.mark.skipif(os.geteuid() != 0, reason="only the system's owner can do without rights")
def test_a_home_that_may_not_be_entered_is_no_place(tmp_path, monkeypatch):
    (tmp_path / FOLDER).write_text("in the way")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    with as_nobody(tmp_path, tmp_path.parent, tmp_path.parent.parent):
        assert cached(tmp_path, "set", KEY, plan).test.images[:, 0, 0, 0].tolist() == [10, 11]


def test_full_disk_is_an_error_with_bytes_needed_and_free(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DiskError, match=r"\.trainer-cache: 20 bytes needed, \d+ free"):
        cached(tmp_path, "set", KEY, plan)
    assert not (tmp_path / FOLDER).exists()


def _make(root: Path, answers) -> None:
    answers.put(cached(root, "set", KEY, lambda: plan(wait_s=0.2)).fingerprint)


@pytest.mark.slow
def test_two_processes_at_once_both_end_well(tmp_path):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    processes = [context.Process(target=_make, args=(tmp_path, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    got = [answers.get(timeout=PATIENCE_S) for _ in processes]
    for process in processes:
        process.join(60)
    assert got[0] == got[1]
    assert len(list((tmp_path / FOLDER).iterdir())) == 1


def test_the_slower_of_two_uses_what_the_faster_made(tmp_path):
    def overtaken():
        cached(tmp_path, "set", KEY, lambda: plan(value=1))  # another process, meanwhile
        return plan(value=1)

    folder = tmp_path / FOLDER / f"set-{KEY[:24]}"
    source = cached(tmp_path, "set", KEY, overtaken)
    assert source.train.images[0, 0, 0, 0] == 1
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == [folder.name]


def test_a_damaged_cache_under_the_final_name_is_replaced(tmp_path):
    _cache._build(tmp_path / "set-1", plan())
    shutil.rmtree(tmp_path / "set-1")
    (tmp_path / "set-1").mkdir()
    (tmp_path / "set-1" / "junk").write_text("left by a crash")
    _cache._build(tmp_path / "set-1", plan())
    assert [path.name for path in tmp_path.iterdir()] == ["set-1"]
    assert _cache._load(tmp_path / "set-1") is not None


def test_key_moves_with_name_options_and_all_that_the_disk_says(tmp_path):
    stats = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.uint64)

    def key(names="ab", changed=(0, 0), by=0, option=32):
        values = stats.copy()
        values[changed] += np.uint64(by)
        return content_key(tmp_path, list(names), values, option)

    others = [key(changed=(row, column), by=1) for row in (0, 1) for column in range(4)]
    assert len({key(), key(names="ac"), key(option=64), *others}) == 11
    assert key() == key()


def old_file(path: Path, content: bytes, time_ns: int = 10**9) -> Path:
    """Write a file whose contents changed at that time, as far as programs may say that."""
    path.write_bytes(content)
    os.utime(path, ns=(time_ns, time_ns))
    return path


def key_of(folder: Path, **hidden: int) -> str:
    """Return the key of a folder's files; `hidden` is what its disk says of all of them."""
    files = sorted(folder.iterdir())
    places = {"size": 0, "mtime": 1, "ctime": 2, "inode": 3}
    stats = np.array([status(f.stat()) for f in files], dtype=np.uint64)
    for name, value in hidden.items():
        stats[:, places[name]] = value
    return content_key(folder, [f.name for f in files], stats)


def swap(a: Path, b: Path) -> None:
    """Exchange two files by name."""
    aside = a.rename(a.parent.parent / "aside")
    b.rename(a)
    aside.rename(b)


REPLACED = {
    "swapped": swap,
    "written over": lambda a, b: old_file(a, b"C" * 5000),
    "moved in": lambda a, b: old_file(a.parent.parent / "new", b"C" * 5000).replace(a),
    "a bit in place": lambda a, b: old_file(a, b"A" * 2500 + b"B" + b"A" * 2499),
}


@pytest.mark.parametrize("how", REPLACED)
def test_a_file_replaced_by_one_of_its_size_and_time_moves_the_key(tmp_path, how):
    (tmp_path / "set").mkdir()
    a, b = (old_file(tmp_path / "set" / name, name.encode() * 5000) for name in "AB")
    before = key_of(tmp_path / "set")
    assert key_of(tmp_path / "set") == before
    time.sleep(0.02)  # a disk's clock has moved
    REPLACED[how](a, b)
    assert {file.stat().st_size for file in (a, b)} == {5000}
    assert {file.stat().st_mtime_ns for file in (a, b)} == {10**9}
    assert key_of(tmp_path / "set") != before


@pytest.mark.parametrize("how", ["swapped", "written over", "moved in"])
def test_where_a_disk_says_nothing_of_changes_the_ends_of_files_count(tmp_path, how):
    (tmp_path / "set").mkdir()
    a, b = (old_file(tmp_path / "set" / name, name.encode() * 5000) for name in "AB")
    before = key_of(tmp_path / "set", ctime=10**9, inode=0)
    REPLACED[how](a, b)
    assert key_of(tmp_path / "set", ctime=10**9, inode=0) != before


@pytest.mark.slow
def test_a_key_is_not_given_while_a_change_could_hide_behind_it(tmp_path):
    file = old_file(tmp_path / "file", b"A" * 100)
    key_of(tmp_path)
    os.utime(old_file(file, b"B" * 100), ns=(10**9, 10**9))  # at once: as soon as a key is there
    changed = file.stat().st_ctime_ns
    key_of(tmp_path)
    assert time.time_ns() >= changed + TICK_NS
    for stranger in ([[2**64 - 1] * 4], [[1, 2, 2**63, 2**64 - 1]]):  # times of a broken clock
        begun = time.monotonic()
        content_key(tmp_path, ["file"], np.array(stranger, dtype=np.uint64))
        assert time.monotonic() - begun < COARSE_TICK_NS / 1e9 + 1


def test_mean_and_std_equal_those_in_floating_point():
    images = torch.randint(0, 256, (5000, 2, 3, 3), dtype=torch.uint8)
    floats = images.double() / 255
    mean, std = mean_std(images)
    assert mean == pytest.approx(floats.mean((0, 2, 3)).tolist(), rel=1e-12)
    assert std == pytest.approx(floats.std((0, 2, 3), correction=0).tolist(), rel=1e-12)
    assert mean_std(torch.full((2, 1, 2, 2), 51, dtype=torch.uint8)) == ((0.2,), (1.0,))
