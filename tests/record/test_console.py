"""What people see: a live line on a terminal, plain lines elsewhere, and a table at the end."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import TINY, Call, environment
from trainer.record.console import clock_text, epoch_line, percent
from trainer.record.runs import EpochRow

ROW = EpochRow(
    epoch=2.0,
    step=40,
    lr=0.0125,
    train_loss=0.5,
    train_top1=0.875,
    val_loss=0.25,
    val_top1=0.9375,
    images_per_s=12345.6,
)


def test_an_epoch_is_one_line() -> None:
    assert epoch_line(ROW, "2.5") == (
        "epoch   2/2.5  step 40      lr 0.0125     train 0.5000  87.50%  val 0.2500  93.75%"
        "  12,346 images/s"
    )


def test_numbers_are_shown_as_people_read_them() -> None:
    assert percent(0.98765) == "98.77 %"
    assert percent(None) == ""
    assert [clock_text(s) for s in (0.4, 61, 3725)] == ["0:00", "1:01", "1:02:05"]


def on_a_terminal(overrides: tuple[str, ...], here: Path) -> tuple[int, str]:
    """Run the program with a terminal of 120 columns; return its exit code and what it drew."""
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer", *overrides],
        cwd=here,
        env={**environment(), "TERM": "xterm-256color", "COLUMNS": "120"},
        stdout=other,
        stderr=other,
        stdin=other,
        start_new_session=True,
    )
    os.close(other)
    drawn = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        drawn += piece
    os.close(main)
    return process.wait(), drawn.decode()


@pytest.mark.slow
def test_a_terminal_shows_a_live_line_that_goes_away(here: Path) -> None:
    overrides = (*TINY, "data.num_train=2000", "epochs=12", "hydra.run.dir=run")
    code, drawn = on_a_terminal(overrides, here)
    assert code == 0, drawn
    live = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    assert re.search(r"epoch \d+/12  step \d+/\d+  lr 0\.05  loss \d+\.\d+  acc \d+", live)
    assert re.search(r"[\d,]+ images/s  \d:\d\d left", live)
    assert "\u2501" in live
    assert live.count("epoch 12/12  step") >= 1
    log = (here / "run" / "run.log").read_text()
    assert "\x1b" not in log
    assert "\u2501" not in log
    assert " left" not in log


@pytest.mark.slow
def test_elsewhere_there_is_one_plain_line_an_epoch_and_a_table(call: Call, here: Path) -> None:
    done = call(*TINY, "average=ema", "average.decay=0.1", "hydra.run.dir=run", "lint=off")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == (
        "mlp, 626 parameters; synthetic, 58 training, 6 validation, 20 test images; cpu, 1 thread; "
        "run"
    )
    assert [x.split("  ")[0] for x in lines[1:3]] == ["epoch 1/2", "epoch 2/2"]
    assert "\x1b" not in done.out
    assert "\r" not in done.out
    rows = [x.split() for x in lines[3:] if x]
    assert rows[0] == ["weights", "images", "loss", "top-1", "top-5"]
    assert [r[:2] for r in rows[1:5]] == [
        *(["final", "val"], ["averaged", "val"], ["final", "test"], ["averaged", "test"])
    ]
    assert lines[-2] == "results   run"
    assert lines[-1] == "curves    tensorboard --logdir run"
    log = (here / "run" / "run.log").read_text().splitlines()
    assert [x.rstrip() for x in log] == [x.rstrip() for x in lines]


@pytest.mark.slow
def test_a_reader_that_goes_away_does_not_end_the_run(here: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer", *TINY, "epochs=6", "hydra.run.dir=run"],
        cwd=here,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 0, err
    assert "epoch 6/6" in (here / "run" / "run.log").read_text()


def test_the_live_line_fits_its_terminal(here: Path) -> None:
    from trainer import compose
    from trainer.core.environment import World
    from trainer.loop import fit
    from trainer.run.assemble import assemble
    from trainer.run.device import prepare
    from trainer.run.summary import RunProgress

    config = compose(*TINY, "data.num_train=300")
    run, _ = assemble(config, *prepare(config, World()))
    steps = fit(run, pause=lambda clock: True)
    progress = RunProgress(run)
    for _ in range(3):
        next(steps)
    meter = run.state.meter
    text = "  ".join(progress.parts()[:5])
    exact = 100 * float(meter.hits) / 48  # of three batches
    assert f"step 3/34  lr 0.05  loss {float(meter.losses[:2].mean()):.4f}" in text
    assert f"acc {exact:.1f}%" in text
    assert 0 < exact < 100
    for width in (40, 80, 100, 120, 200):
        line = progress.line(width)
        has_bar = "\u2501" in line.plain
        assert len(line.plain) < width or not has_bar
        assert has_bar == (width >= 100)
