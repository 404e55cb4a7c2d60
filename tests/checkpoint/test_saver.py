"""What is saved is finite; in the background it is the same bytes, one at a time, and no failure is
lost."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from tests.command import TINY, Call
from tests.training import assembled
from trainer.checkpoint import format as checkpoint
from trainer.checkpoint.saver import Saver
from trainer.config.run_config import CheckpointConfig
from trainer.core.errors import Diverged


@pytest.mark.parametrize("where", ["weights", "statistics", "average"])
def test_no_checkpoint_holds_a_number_that_is_not_finite(here: Path, where: str) -> None:
    overrides = [word for word in TINY if not word.startswith("model")]
    with assembled(*overrides, "model=cnn", "average=ema", "average.every=1st") as run:
        saver = Saver(run, here / "checkpoints", CheckpointConfig(), {})
        run.state.step = 1
        run.average.update(run.model, run.clock())
        saver.save()
        run.state.step = 3
        averaged = run.average.eval_model()
        assert averaged is not None
        tensors = {
            "weights": next(run.model.parameters()),
            "statistics": next(run.model.buffers()),
            "average": next(averaged.buffers()),
        }
        tensors[where].detach().view(-1)[0] = float("nan")
        with pytest.raises(Diverged, match="step 2"):
            saver.save()
    assert [p.name for p in (here / "checkpoints").iterdir()] == ["step-00000001"]


@pytest.mark.slow
def test_the_background_writes_the_same_bytes(call: Call, here: Path) -> None:
    overrides = (*TINY, "average=ema", "optim=adam", "checkpoint.keep=all", "checkpoint.every=1st")
    assert call(*overrides, "hydra.run.dir=fore").code == 0
    assert call(*overrides, "checkpoint.background=true", "hydra.run.dir=back").code == 0
    fore, back = (sorted((here / n / "checkpoints").iterdir()) for n in ("fore", "back"))
    assert (
        [p.name for p in fore] == [p.name for p in back] == [f"step-{n:08d}" for n in range(1, 9)]
    )
    for one, other in zip(fore, back, strict=True):
        for name in ("model.safetensors", "average.safetensors"):
            assert (one / name).read_bytes() == (other / name).read_bytes()
        states = [checkpoint.verify(p) for p in (one, other)]
        plain = [found.state() for found in states if found is not None]
        assert len(plain) == 2
        optimizers = [
            checkpoint.pack(weights={}, averaged=None, state=s["optimizer"]) for s in plain
        ]
        assert optimizers[0] == optimizers[1]


@pytest.mark.slow
def test_one_is_written_at_a_time_while_training_goes_on(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, threads, busy = checkpoint.write, set(), threading.Lock()

    def watched(*args: object) -> checkpoint.Checkpoint:
        assert busy.acquire(blocking=False), "two at once"
        threads.add(threading.current_thread().name)
        try:
            return write(*args)  # type: ignore[arg-type]
        finally:
            busy.release()

    monkeypatch.setattr(checkpoint, "write", watched)
    overrides = ("checkpoint.background=true", "checkpoint.every=1st", "hydra.run.dir=run")
    assert call(*TINY, *overrides).code == 0
    assert threads == {"checkpoint"}
    assert not [t for t in threading.enumerate() if t.name == "checkpoint"]


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 8])
def test_what_fails_there_ends_the_run(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    write = checkpoint.write_bytes

    def full(path: Path, content: bytes) -> None:
        if any(f'"step": {step},' in text for text in [content[:200].decode("latin-1")]):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(checkpoint, "write_bytes", full)
    overrides = ("checkpoint.background=true", "checkpoint.every=1st", "hydra.run.dir=run")
    done = call(*TINY, *overrides)
    assert done.code == 74, done.err
    assert f"step-{step:08d}: no space left" in done.err
    found, damaged = checkpoint.newest(here / "run" / "checkpoints")
    assert found is not None
    assert found.step == step - 1
    assert damaged == []
