"""Numbers, names and paths that no machine has room for; recorded configurations that somebody
edited: one message each, nothing created."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tests.command import TINY, Call, snapshot
from trainer.api import compose
from trainer.core.errors import ConfigError
from trainer.core.limits import reporting_memory

HUGE = {
    "threads=1000000": "threads must be at most 1024, got 1000000",
    "max_steps=1e308": "max_steps must be below 2**63, got 1e+308",
    "data.num_train=100000000000000000000": "data.num_train must be below 2**63",
    "epochs=1e308": "epochs must be at most 1e+12, got 1e+308",
    "scheduler.warmup=1e308ep": "scheduler.warmup must be at most 1e+12ep, got '1e308ep'",
    "checkpoint.every=1e999s": "checkpoint.every must be at most 1e+12s, got '1e999s'",
    "data.val=1e308": "data.val must be a share such as 10% or a number of images such as 5000",
}


@pytest.mark.parametrize("word", HUGE)
def test_numbers_beyond_any_run_are_refused(word: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compose(*TINY, word)
    assert HUGE[word] in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.slow
def test_a_loss_scale_that_torch_cannot_hold_is_refused() -> None:
    for word in ("init_scale=1e300", "growth_interval=2147483648"):
        with pytest.raises(ConfigError, match=rf"precision\.{word.split('=')[0]} must be "):
            compose(*TINY, "precision=fp16", f"precision.{word}")
    compose(*TINY, "precision=fp16", f"precision.init_scale={2.0**126}")


@pytest.mark.slow
def test_an_eps_that_is_nothing_is_told_in_the_format_that_is_used() -> None:
    with pytest.raises(ConfigError) as refused:
        compose(*TINY, "optim=adam", "optim.eps=1e-60")
    assert "is 0 in the float32 of precision=fp32: set it to 1.18e-38 or more" in str(refused.value)
    assert "O2" not in str(refused.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.hidden=[100000000000000]",),
        ("data.num_train=1e15",),
        ("data.image_shape=[1,10000000,10000000]",),
    ],
)
@pytest.mark.slow
def test_what_no_memory_holds_is_the_user_s_mistake(
    call: Call, here: Path, overrides: tuple[str, ...]
) -> None:
    done = call(*TINY, *overrides)
    assert done.code == 2
    assert "error: not enough memory for what was chosen (" in done.err
    assert "enforce fail" not in done.err
    assert "Traceback" not in done.err
    assert snapshot(here) == {}


def test_only_errors_of_memory_are_told_as_such() -> None:
    for cause in (
        lambda: torch.empty(2**60, 2**20),
        lambda: torch.empty(2**50),
        lambda: np.empty(2**50),
        lambda: bytes(2**60),
    ):
        with pytest.raises(ConfigError, match="not enough memory"), reporting_memory():
            cause()
    for other in (RuntimeError("shapes differ"), ValueError("no number")):
        with pytest.raises(type(other), match=str(other)), reporting_memory():
            raise other


LONG = "x" * 5000
PATHS = (
    (f"hydra.run.dir=/{LONG}",),
    (f"init_from=/{LONG}",),
    (f"resume=/{LONG}",),
    ("data=mnist", f"data.root=/{LONG}"),
    ("--config-dir", f"/{LONG}"),
)


@pytest.mark.slow
@pytest.mark.parametrize("overrides", PATHS, ids=lambda overrides: overrides[0][:14])
def test_paths_that_no_file_can_have_are_refused(
    call: Call, here: Path, overrides: tuple[str, ...]
) -> None:
    done = call(*overrides)
    assert done.code == 2
    assert done.err.startswith("error: cannot use the path '/xxx")
    assert done.err.endswith("...: file name too long\n")
    assert snapshot(here) == {}


@pytest.mark.slow
def test_a_loop_of_links_is_no_path(call: Call, here: Path) -> None:
    (here / "loop").symlink_to("loop")
    done = call(*TINY, "hydra.run.dir=loop/run")
    assert done.code == 2
    assert "Traceback" not in done.err


@pytest.mark.parametrize("name", [".", "..", ".trainer", "a..b"])
def test_plugins_that_are_no_module_s_name_are_refused(call: Call, here: Path, name: str) -> None:
    done = call(*TINY, f"plugins=[{name}]")
    assert done.code == 2
    assert done.err.startswith("error: plugins: ")
    assert snapshot(here) == {}


def test_a_plugin_that_fails_is_named_with_what_it_raised(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "broken_plugin.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(here))
    done = call(*TINY, "plugins=[broken_plugin]")
    assert done.code == 2
    assert "cannot import 'broken_plugin': ZeroDivisionError: division by zero" in done.err


@pytest.mark.slow
def test_a_picture_that_cannot_be_written_is_refused_before_the_work(
    call: Call, here: Path
) -> None:
    (here / "folder.png").mkdir()
    for file in ("folder.png", "/proc/x.png"):
        done = call(*TINY, "task=plan", f"task.picture={file}")
        assert done.code == 2
        assert f"cannot write task.picture={file}: " in done.err
        assert done.out == ""
    (here / "old.png").write_text("old")
    compose(*TINY, "task=plan", "task.picture=old.png")
    compose(*TINY, "task=plan", "task.picture=new.png")
    assert (here / "old.png").read_text() == "old"
    assert not (here / "new.png").exists()


@pytest.mark.slow
def test_several_lists_of_augmentations_are_swept_and_shown(call: Call) -> None:
    done = call("-m", *TINY, "max_steps=1", "augment=[shift,cutout],[none]", "data.val=25%")
    assert done.code == 0, done.err
    table = done.out[done.out.rindex("val_top1 ") :]
    assert "[shift,cutout]" in table
    assert "[none]" in table
    done = call("-m", *TINY, "max_steps=1", "augment=[shift],[cutot]", "data.val=25%")
    assert done.code == 1  # the other list has a result
    assert "unknown augment 'cutot'" in done.out


Edit = Callable[[dict[str, Any]], object]
EDITS: dict[str, tuple[Edit, str]] = {
    "mapping": (lambda c: c["model"].update(name={"a": 1}), "model.name must be the name of"),
    "number": (lambda c: c["optim"].update(name=5), "optim.name must be the name of a choice"),
    "list": (lambda c: c["strategy"].update(name=["auto"]), "strategy.name must be the name of"),
    "nothing": (lambda c: c.update(augment={"none": None}), "augment.none.name must be 'none'"),
    "other": (lambda c: c["augment"]["none"].update(name="shift"), "must be 'none', got 'shift'"),
    "missing": (lambda c: c.update(seed="???"), "a value that is missing, '???'"),
    "zero": (lambda c: c["data"].update(root="a\0b"), "data.root must be text without zero bytes"),
    "huge": (lambda c: c.update(threads=1000000), "threads must be at most 1024"),
}


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    return compose(*TINY).plain()


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_recorded_configurations_that_were_edited_are_refused(
    call: Call, here: Path, recorded: dict[str, Any], name: str
) -> None:
    edit, message = EDITS[name]
    tree = copy.deepcopy(recorded)
    edit(tree)
    os.mkdir("run")
    (here / "run" / "config.yaml").write_text(yaml.safe_dump(tree))
    before = snapshot(here)
    for word in ("repeat", "resume"):
        done = call(f"{word}=run")
        assert done.code == 2, (word, done.err)
        assert message in done.err
        assert done.err.count("\n") == 1
    assert snapshot(here) == before
