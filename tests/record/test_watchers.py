"""What only shows a run - TensorBoard, pictures, the live line - costs no run and no number."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from tests.command import TINY, Call
from trainer.record.console import Console
from trainer.record.style import new_figure

MODULE = "torch.utils.tensorboard"


def summary(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return found


def fail(*_: object, **__: object) -> None:
    raise OSError("protobuf is\nbroken")


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", ["import", "writer", "add_scalar", "flush", "add_images", "add_hparams"]
)
def test_a_broken_tensorboard_is_one_warning_and_the_run_completes(
    how: str, call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = call(*TINY, "hydra.run.dir=whole")
    assert "TensorBoard" not in whole.out
    if how == "import":
        monkeypatch.setitem(sys.modules, MODULE, None)
    else:
        writer = importlib.import_module(MODULE).SummaryWriter
        monkeypatch.setattr(writer, "__init__" if how == "writer" else how, fail)
    done = call(*TINY, "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert done.out.count("TensorBoard is left out from here on (") == 1
    if how == "import":  # at the start, when nothing was spent
        assert done.out.index("TensorBoard") < done.out.index("epoch 1/2")
    assert "final     test" in done.out
    for key in ("weights_sha256", "test", "key", "status"):
        assert summary(here / "run")[key] == summary(here / "whole")[key]
    assert len((here / "run/metrics.jsonl").read_text().splitlines()) == 2


@pytest.mark.slow
def test_numbers_are_printed_before_pictures_are_drawn(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    monkeypatch.setattr(Figure, "savefig", fail)
    done = call(*TINY, "task=lr_range", "task.steps=20", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert done.out.index("swept ") < done.out.index("picture   none (OSError: protobuf is broken)")
    assert summary(here / "run")["status"] == "completed"


def test_a_plan_that_cannot_be_drawn_is_refused_first(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = call(*TINY, "task=plan", "task.picture=p.png")
    assert (done.code, done.out) == (2, "")
    assert "task.picture=p.png cannot be drawn here" in done.err


@pytest.mark.slow
def test_a_letter_that_no_font_has_is_drawn_without_a_word(here: Path) -> None:
    figure = new_figure(3, 2)
    figure.add_subplot().set_title("\u5b66\u7fd2\u7387 \u0e01 \U0001f600")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(here / "x.png")
    assert (here / "x.png").stat().st_size > 1000


def test_a_live_line_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console()
    assert console.safe(lambda width: Text("step 3"))(80).plain == "step 3"
    assert console.safe(lambda width: Text("x" * (1 // (width - 80))))(80).plain == ""
