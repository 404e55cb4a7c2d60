"""A checkpoint is whole or passed over: no damage is ever loaded."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path

import pytest
import torch

from trainer.checkpoint import format as checkpoint
from trainer.core.errors import DiskError, TrainerError

WEIGHTS = {"w": torch.arange(12.0).view(3, 4), "b": torch.ones(3, dtype=torch.float64)}
AVERAGED = {"w": torch.zeros(3, 4), "b": torch.zeros(3, dtype=torch.float64)}
STATE = {"step": 7, "optimizer": {"momentum": [torch.full((5,), 0.25)]}}


def saved(root: Path, step: int, scale: float = 1.0) -> checkpoint.Checkpoint:
    weights = {name: scale * tensor for name, tensor in WEIGHTS.items()}
    facts = {"key": "k", "threads": 1}
    files = checkpoint.pack(weights=weights, averaged=AVERAGED, state=STATE)
    return checkpoint.write(root, step, files, facts)


def test_what_is_read_back_is_what_was_saved(tmp_path: Path) -> None:
    saved(tmp_path / "c", 7)
    found, damaged = checkpoint.newest(tmp_path / "c")
    assert found is not None
    assert damaged == []
    assert found.step == 7
    assert found.path.name == "step-00000007"
    assert found.manifest["key"] == "k"
    assert found.manifest["threads"] == 1
    for read, wrote in ((found.weights(), WEIGHTS), (found.averaged(), AVERAGED)):
        assert set(read) == set(wrote)
        for name, tensor in wrote.items():
            assert read[name].dtype == tensor.dtype
            assert torch.equal(read[name], tensor)
    assert found.state()["step"] == 7
    assert torch.equal(found.state()["optimizer"]["momentum"][0], torch.full((5,), 0.25))
    assert sorted(p.name for p in found.path.iterdir()) == [
        *("average.safetensors", "manifest.json", "model.safetensors", "state.pt")
    ]


def damage(file: Path, draw: random.Random) -> None:
    """Change a file in one of the ways that disks and people do."""
    content = bytearray(file.read_bytes())
    kind = draw.choice(("bit", "zeros", "cut", "longer", "gone", "empty"))
    if kind == "bit":
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif kind == "zeros":
        start = draw.randrange(len(content))
        end = min(start + 64, len(content))
        if not any(content[start:end]):  # zeros already: nothing would be damaged
            start, end = 0, 8
        content[start:end] = bytes(end - start)
    elif kind == "cut":
        del content[draw.randrange(len(content)) :]
    elif kind == "longer":
        content += b"\n{}"
    elif kind == "empty":
        content.clear()
    if kind == "gone":
        file.unlink()
    else:
        file.write_bytes(bytes(content))


@pytest.mark.slow
def test_five_hundred_damaged_checkpoints_are_never_loaded(tmp_path: Path) -> None:
    draw, root = random.Random(11), tmp_path / "c"
    saved(root, 5, 0.5)
    newest = saved(root, 10)
    passed_over = 0
    for _ in range(500):
        file = draw.choice(sorted(newest.path.iterdir()))
        before = file.read_bytes()
        damage(file, draw)
        found, damaged = checkpoint.newest(root)
        now = file.read_bytes() if file.exists() else b""
        file.write_bytes(before)
        assert found is not None
        if file.name == "manifest.json" and found.step == 10:
            # a manifest may change in what does not matter, never in sums, sizes or names
            assert json.loads(now)["files"] == json.loads(before)["files"]
            assert torch.equal(found.weights()["w"], WEIGHTS["w"])
            continue
        assert found.step == 5, file
        assert [p.name for p in damaged] == ["step-00000010"]
        passed_over += 1
    assert passed_over > 400
    assert checkpoint.verify(newest.path) is not None


def test_a_file_of_another_checkpoint_is_noticed(tmp_path: Path) -> None:
    root = tmp_path / "c"
    old, new = saved(root, 1, 2.0), saved(root, 2)
    (new.path / "model.safetensors").write_bytes((old.path / "model.safetensors").read_bytes())
    assert checkpoint.verify(new.path) is None
    os.rename(old.path, root / "step-00000009")  # the folder's name lies about the step
    assert checkpoint.newest(root)[0] is None


def test_a_manifest_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    made = saved(tmp_path / "c", 1)
    manifest = json.loads((made.path / "manifest.json").read_text())
    outside = tmp_path / "outside"
    outside.write_bytes(b"x")
    for name in ("../../outside", str(outside)):
        there = {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
        (made.path / "manifest.json").write_text(
            json.dumps({**manifest, "files": {**manifest["files"], name: there}})
        )
        assert checkpoint.verify(made.path) is None


def test_what_changes_after_it_was_verified_is_not_loaded(tmp_path: Path) -> None:
    made = saved(tmp_path / "c", 1)
    found = checkpoint.verify(made.path)
    assert found is not None
    (made.path / "state.pt").write_bytes(b"something else")
    with pytest.raises(TrainerError, match="changed while it was read"):
        found.state()


def test_saving_a_step_again_replaces_it_and_leaves_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "c"
    saved(root, 3)
    saved(root, 3, 2.0)
    assert [p.name for p in root.iterdir()] == ["step-00000003"]
    found = checkpoint.newest(root)[0]
    assert found is not None
    assert torch.equal(found.weights()["w"], 2.0 * WEIGHTS["w"])


def test_a_full_disk_leaves_earlier_checkpoints_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    root = tmp_path / "c"
    saved(root, 1)

    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_bytes", full)
    with pytest.raises(DiskError, match=r"step-00000002: no space left.*\d+ bytes needed, \d+"):
        saved(root, 2)
    assert [p.name for p in root.iterdir()] == ["step-00000001"]
    assert checkpoint.newest(root)[0] is not None


def test_pruning_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    for keep, best, left in (
        *((2, [1], [1, 4, 5]), (1, [5], [5]), (None, [], [1, 2, 3, 4, 5])),
        *((1, [2, 1], [1, 2, 5]), (3, [5, 3, 1], [1, 3, 4, 5])),
    ):
        root = tmp_path / f"{keep}{best}"
        for step in range(1, 6):
            saved(root, step)
        checkpoint.prune(root, keep=keep, best=best)
        assert sorted(int(p.name[5:]) for p in root.iterdir()) == left


def test_the_digest_knows_names_types_shapes_and_bytes() -> None:
    one = torch.arange(4.0)
    same = checkpoint.digest({"a": one, "b": one})
    assert same == checkpoint.digest({"b": one.clone(), "a": one.clone()})
    others = (
        {"a": one, "c": one},
        {"a": one.view(2, 2), "b": one},
        {"a": one.double(), "b": one},
        {"a": one + torch.tensor([0, 0, 0, 1e-6]), "b": one},
    )
    assert len({checkpoint.digest(other) for other in others} | {same}) == 5
    assert checkpoint.digest({"a": one}, {}) != checkpoint.digest({}, {"a": one})


def test_damaged_checkpoints_take_no_place_of_good_ones(tmp_path: Path) -> None:
    root = tmp_path / "c"
    for step in (1, 2, 3, 8, 9):
        saved(root, step)
    for step in (8, 9):  # newer, and passed over when the run went on from 3
        (root / f"step-{step:08d}" / "state.pt").write_bytes(b"torn")
    checkpoint.prune(root, keep=2, best=[1])
    left = {int(p.name[5:]) for p in root.iterdir()}
    assert {1, 2, 3} <= left
    checkpoint.prune(root, keep=1)
    assert {int(p.name[5:]) for p in root.iterdir()} == {3, 8, 9}


def test_what_does_not_read_back_is_an_error_and_nothing_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "c"
    saved(root, 1)
    write = checkpoint.write_bytes

    def losing(path: Path, content: bytes) -> None:
        write(path, content[:-1] + b"\0" if path.name == "model.safetensors" else content)

    monkeypatch.setattr(checkpoint, "write_bytes", losing)
    with pytest.raises(DiskError, match="step-00000002 does not read back"):
        saved(root, 2)
    assert checkpoint.newest(root)[0] is not None
    assert (root / "step-00000001").is_dir()


def test_a_deleted_checkpoint_loses_its_name_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "c"
    for step in (1, 2):
        saved(root, step)

    def kill(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.shutil, "rmtree", kill)  # before anything is deleted
    with pytest.raises(KeyboardInterrupt):
        checkpoint.prune(root, keep=1)
    (left,) = checkpoint.folders(root)
    assert left.name == "step-00000002"
    monkeypatch.undo()
    checkpoint.clear(root)
    assert list(root.iterdir()) == [left]
