"""Odd bytes, odd machines and files that somebody else made: one message, the code that fits."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.command import TINY, Call, environment, snapshot
from tests.warm import Warm
from trainer.core.errors import ConfigError
from trainer.core.yaml_files import read_yaml
from trainer.record.runs import read_run

LONG = (*TINY, "epochs=40", "checkpoint.every=5st")


@pytest.fixture
def run(warm: Warm, here: Path) -> Path:
    """A run that was killed after a checkpoint."""
    folder = here / "run"
    ended = warm.run([*LONG, f"hydra.run.dir={folder}"], here, kill=signal.SIGKILL)
    assert ended.code == -signal.SIGKILL, ended.err
    return folder


@pytest.mark.parametrize("text", ["name=\udcff", "data.root=/x\udcff", "hydra.run.dir=x\udcff"])
def test_words_that_are_no_text_are_refused(call: Call, here: Path, text: str) -> None:
    done = call(*TINY, text)
    assert done.code == 2
    assert "must be UTF-8" in done.err
    assert snapshot(here) == {}


@pytest.mark.slow
def test_a_seed_that_no_record_holds_is_refused(call: Call, here: Path) -> None:
    for seed in ("9223372036854775808", "1" * 400, "-1"):
        done = call(*TINY, f"seed={seed}")
        assert done.code == 2
        assert "seed must be" in done.err
    assert snapshot(here) == {}


YAMLS = {
    "deep": "name: " + "[" * 60 + "]" * 60,
    "deeper": "- " * 120_000,
    "alias": "name: &a [x, x]\nother: [*a, *a]",
    "date": "name: 2001-99-99",
    "int": 'seed: !!int "abc"',
    "float": 'seed: !!float "x"',
    "bool": 'seed: !!bool "x"',
    "time": 'seed: !!timestamp "x"',
    "digits": "seed: " + "1" * 5000,
}


@pytest.mark.parametrize("name", YAMLS)
def test_a_configuration_that_would_break_the_loader_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(YAMLS[name])
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        read_yaml(file)


@pytest.mark.slow
def test_damaged_records_are_read_as_far_as_they_go(call: Call, here: Path) -> None:
    assert call(*TINY, "hydra.run.dir=run").code == 0
    rows = (here / "run" / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    for summary in (b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000):
        (here / "run" / "summary.json").write_bytes(summary)
        assert read_run(here / "run").status == "unfinished"
    for second in (b"5\n", b"[]\n", b'{"a":1}\n', b'{"step":1}\n', b"\xff\xfe\n"):
        (here / "run" / "metrics.jsonl").write_bytes(rows[0] + second + rows[1])
        assert [e.step for e in read_run(here / "run").epochs] == [4]


@pytest.mark.slow
def test_files_that_are_no_checkpoint_s_though_their_sums_are_right(
    warm: Warm, here: Path, run: Path
) -> None:
    newest = max((run / "checkpoints").glob("step-*"))
    for other in (run / "checkpoints").glob("step-*"):
        if other != newest:
            for file in other.iterdir():
                file.unlink()
            other.rmdir()
    whole = {f.name: f.read_bytes() for f in newest.iterdir()}
    state = torch.load(io.BytesIO(whole["state.pt"]), weights_only=True)
    fakes = {
        "state.pt": [
            b"not torch's",
            packed({**state, "step": 999}),
            packed({**state, "ranks": []}),
            packed({k: v for k, v in state.items() if k != "optimizer"}),
            packed({**state, "seconds": 5}),
        ],
        "model.safetensors": [b"garbage", whole["model.safetensors"][:100]],
        "manifest.json": [b"[" * 100_000],
    }
    for name, contents in fakes.items():
        for content in contents:
            (newest / name).write_bytes(content)
            if name != "manifest.json":
                manifest = json.loads(whole["manifest.json"])
                sha256 = hashlib.sha256(content).hexdigest()
                manifest["files"][name] = {"bytes": len(content), "sha256": sha256}
                (newest / "manifest.json").write_text(json.dumps(manifest))
            done = warm.run([f"resume={run}"], here)
            assert done.code == 4, (name, content[:40], done.err)
            assert done.err.count("error: ") == 1
            assert "Traceback" not in done.err
            assert "weights_only=False" not in done.err
        for kept in ("manifest.json", name):
            (newest / kept).write_bytes(whole[kept])
    assert warm.run([f"resume={run}"], here).code == 0


def packed(state: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    "env",
    [{"WORLD_SIZE": "2"}, {"WORLD_SIZE": "abc"}, {"WORLD_SIZE": "2", "RANK": "x"}],
)
def test_a_world_without_torchrun_is_refused(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    done = call(*TINY)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "torchrun" in done.err
    assert "unset WORLD_SIZE" in done.err
    assert snapshot(here) == {}


def test_a_rank_alone_silences_nobody(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert "did you mean 'adam'" in call("optim=adamm").err


def test_a_change_of_any_encoding_in_the_checkout_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.record import provenance

    def git(*overrides: str) -> None:
        name = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *name, *overrides], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "file").write_text("one\n")
    git("add", "file")
    git("commit", "-qm", "one")
    (tmp_path / "file").write_bytes(b"caf\xe9\n")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "trainer")
    provenance.git_state.cache_clear()
    state, difference = provenance.git_state()
    provenance.git_state.cache_clear()
    assert state is not None
    assert state["clean"] is False
    assert "+caf\ufffd" in difference


@pytest.mark.slow
def test_closed_streams_and_narrow_terminals_end_no_run(here: Path) -> None:
    line = f"exec {sys.executable} -m trainer {' '.join(map(repr, TINY))} max_steps=2"
    for extra, code in (("hydra.run.dir=a >&-", 0), ("optim=foo >&- 2>&-", 2)):
        done = subprocess.run(["sh", "-c", f"{line} {extra}"], cwd=here, env=environment())
        assert done.returncode == code, extra
    narrow = {**environment(), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        ["sh", "-c", f"{line} name=\u00e9"], cwd=here, env=narrow, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert b"\\xe9" in done.stdout


def test_a_user_without_a_home_has_no_cache_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.data import _cache

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(OSError, match="Not a directory"):
        _cache._user_cache().mkdir(parents=True)


@pytest.mark.slow
@pytest.mark.parametrize("size", [6, 40, 200, 1_000, 5_000, 12_000])
def test_a_disk_that_fills_up_is_code_74_wherever_that_happens(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Every write below the run's folder counts; the one that does not fit fails, and all after."""
    import errno

    from trainer.core import files
    from trainer.record import console

    left = [size]

    def take(number: int) -> None:
        left[0] -= number
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    write, log = files.write_bytes, console.Console.log

    def write_bytes(path: Path, content: bytes) -> None:
        take(len(content))
        write(path, content)

    def logged(self: console.Console, text: str) -> None:
        if self._log is not None:
            take(len(text) + 1)
        log(self, text)

    from trainer.checkpoint import format as checkpoint

    monkeypatch.setattr(files, "write_bytes", write_bytes)
    monkeypatch.setattr(checkpoint, "write_bytes", write_bytes)
    monkeypatch.setattr(console.Console, "log", logged)
    done = call(*TINY, "checkpoint.every=1st", "hydra.run.dir=run")
    assert done.code == 74, done.err
    assert "Traceback" not in done.err
    assert not (here / "run" / ".lock").exists()
    for folder in (here / "run").glob("checkpoints/step-*"):
        assert checkpoint.verify(folder) is not None
