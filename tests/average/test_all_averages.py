"""Every average in whole runs: what is on disk is what its formula says, however it was resumed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tests.command import TINY as WORDS
from tests.command import Call
from trainer import compose
from trainer.core.environment import World
from trainer.core.yaml_files import read_yaml
from trainer.run.assemble import assemble
from trainer.run.device import prepare
from trainer.state import Run, load_state, save_state

pytestmark = pytest.mark.slow  # whole runs

# 8 steps, 4 an epoch, every one of them saved
TINY = (*WORDS, "checkpoint.every=1st", "checkpoint.keep=all")
CELLS: dict[str, tuple[str, ...]] = {
    "swa": ("average=swa", "average.start=1st", "average.every=2st"),
    "swa_include_init": (
        *("average=swa", "average.start=1st", "average.every=2st"),
        "average.include_init=true",
    ),
    "swa_torchcontrib": ("average=swa_torchcontrib", "average.start=1st", "average.every=2st"),
    "swa_paper": ("average=swa_paper", "average.start=1ep"),
    "ema": ("average=ema", "average.decay=0.6", "average.start=2st"),
    "ema_warmup": ("average=ema", "average.decay=0.9", "average.decay_warmup=true"),
    "ema_copy": ("average=ema", "average.decay=0.6", "average.buffers=copy"),
    "ema_average": ("average=ema", "average.decay=0.6", "average.buffers=average"),
    "ema_half": ("average=ema", "average.decay=0.6", "precision=O3"),
    "lookahead_master": (
        *("average=lookahead", "average.every=2st", "precision=O2", "precision.init_scale=1024"),
    ),
    "lookahead": ("average=lookahead", "average.start=2st", "average.every=3st"),
}
SHARES = {
    "ema": lambda n: 0.4,
    "ema_warmup": lambda n: 1 - min(0.9, (1 + n) / (10 + n)),
    "ema_copy": lambda n: 0.4,
    "ema_average": lambda n: 0.4,
    "ema_half": lambda n: 0.4,
}
TAKEN = {
    "swa": [3, 5, 7],
    "swa_include_init": [1, 3, 5, 7],
    "swa_torchcontrib": [2, 4, 6, 8],
    "swa_paper": [4, 8],
    "torchcontrib": [4, 6, 8],
    "paper": [8],
    "ema": [3, 4, 5, 6, 7, 8],
}

Arrays = dict[str, np.ndarray]


def saved(run: Path, step: int, name: str = "model") -> Arrays:
    file = run / "checkpoints" / f"step-{step:08d}" / f"{name}.safetensors"
    return safetensors.numpy.load_file(file)


def mean_of(run: Path, cell: str) -> Arrays:
    """The average of the snapshots on disk, by its formula."""
    share = SHARES.get(cell, lambda n: 1 / (n + 1))
    total: Arrays = {}
    for n, step in enumerate(TAKEN.get(cell, range(1, 9))):
        for key, value in saved(run, step).items():
            weight = share(n) if n else 1.0
            total[key] = (1 - weight) * total.get(key, 0.0) + weight * value.astype(np.float64)
    return total


def is_statistic(key: str) -> bool:
    return "running" in key or key.endswith("num_batches_tracked")


def check_weights(run: Path, cell: str) -> None:
    """Compare the last average on disk, and its statistics, with the formula."""
    got, expected, last = saved(run, 8, "average"), mean_of(run, cell), saved(run, 8)
    assert sorted(got) == sorted(last)
    assert any(is_statistic(key) for key in got)
    for key in got:
        if not is_statistic(key):
            rounding = 2e-3 if got[key].dtype == np.float16 else 1e-5
            np.testing.assert_allclose(got[key], expected[key], rtol=rounding, atol=1e-4 * rounding)
        elif cell == "ema_copy" or (cell == "ema_average" and "num" in key):
            assert np.array_equal(got[key], last[key]), key
        elif cell == "ema_average":
            np.testing.assert_allclose(got[key], expected[key], rtol=1e-5, atol=1e-6)
        elif "num" in key:
            assert got[key] == 1  # one pass of one batch: all training images
        else:
            assert not np.allclose(got[key], last[key], rtol=1e-3), key


def interrupted(whole: Path, step: int, to: Path) -> Path:
    """Copy a finished run to what a kill after `step` steps would have left."""
    shutil.copytree(whole, to)
    (to / "summary.json").unlink()
    for folder in (to / "checkpoints").iterdir():
        if int(folder.name.removeprefix("step-")) > step:
            shutil.rmtree(folder)
    return to


@pytest.mark.parametrize("cell", CELLS)
def test_an_average_is_what_its_formula_says_and_resumes_bit_for_bit(
    call: Call, here: Path, cell: str
) -> None:
    whole = here / "whole"
    done = call(*TINY, *CELLS[cell], f"hydra.run.dir={whole}")
    assert done.code == 0, done.err
    if not cell.startswith("lookahead"):  # which moves what is on disk: see test_lookahead.py
        check_weights(whole, cell)
    told = json.loads((whole / "summary.json").read_text())
    assert set(told["test_avg"]) >= {"loss", "top1"}
    for step in (1, 5):
        run = interrupted(whole, step, here / f"killed-{step}")
        again = call(f"resume={run}")
        assert again.code == 0, again.err
        assert f"resumed at step {step} of 8" in again.out
        summary = json.loads((run / "summary.json").read_text())
        for key in ("weights_sha256", "test", "test_avg"):
            assert summary[key] == told[key], key


@pytest.mark.parametrize(
    ("value", "overrides", "lrs"),
    [
        ("torchcontrib", ("swa.start=3st", "swa.every=2st", "scheduler.start=3st"), [0.005, 0.005]),
        ("paper", ("scheduler.start=4st",), [0.01, 0.005]),
    ],
)
def test_swa_s_spellings_choose_average_and_schedule(
    call: Call, here: Path, value: str, overrides: tuple[str, ...], lrs: list[float]
) -> None:
    done = call(
        *TINY,
        f"swa={value}",
        "optim.lr=0.01",
        *overrides,
        "scheduler.anneal=0st",
        "hydra.run.dir=run",
    )
    assert done.code == 0, done.err
    config = read_yaml(here / "run/config.yaml")
    assert config["average"]["name"] == f"swa_{value}"
    assert config["scheduler"]["name"] == "swa"
    rows = [json.loads(line) for line in (here / "run/metrics.jsonl").read_text().splitlines()]
    assert [row["lr"] for row in rows] == pytest.approx(lrs)  # of steps 4 and 8
    check_weights(here / "run", value)


def test_each_process_gets_the_buffers_that_it_saved() -> None:
    """Buffers of an average differ among processes; the file of weights holds the first one's."""
    run, _ = assembled("average=ema", "average.buffers=copy")
    run.average.update(run.model, run.clock().at(1))
    averaged = run.average.eval_model()
    assert averaged is not None
    saved = save_state(run)
    mine = {k: v.clone() + 3 for k, v in averaged.named_buffers()}
    weights = {k: v.clone() for k, v in averaged.state_dict().items()}
    saved["ranks"][0]["average_buffers"] = mine
    load_state(run, saved, run.model.state_dict(), weights)
    assert {k: v.tolist() for k, v in averaged.named_buffers()} == {
        k: v.tolist() for k, v in mine.items()
    }


def assembled(*overrides: str) -> tuple[Run, object]:
    config = compose(*WORDS, *overrides)
    return assemble(config, *prepare(config, World()))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("average=swa", "average.start=100%"), "average.start=100% is as long as the run"),
        (("average=swa", "average.start=90%"), "put the first snapshot after step 11"),
        (("average=swa_paper", "average.every=2st"), "average.every=2st: snapshots are taken at"),
        (("average=ema", "average.buffers=copy", "average.bn_images=9"), "average.bn_images=9 has"),
        (("average=ema", "model.norm=none", "average.bn_images=9"), "average.bn_images=9 has no"),
        (("average=ema", "data.val=0", "average.eval_every=2ep"), "average.eval_every=2ep has no"),
        (("average=lookahead", "average.alpha=0"), "average.alpha must be in (0, 1]"),
        (("average=lookahead", "average.decay=0.9"), "it belongs to average=ema"),
        (("average=none", "average.start=1ep"), "unknown key 'average.start'"),
    ],
)
def test_what_could_have_no_effect_is_refused(call: Call, here: Path, overrides, message) -> None:
    outcome = call(*WORDS, *overrides)
    assert outcome.code == 2
    assert message in outcome.err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "last"),
    [
        (("average=swa",), "average.start=50%"),
        (("average=swa_torchcontrib",), "average.start=3st"),
        (("average=ema", "average.start=8st", "average.every=2st"), "average.start=6st"),
    ],
)
def test_the_message_ends_with_words_that_work(call: Call, overrides, last) -> None:
    refused = call(*WORDS, *overrides)
    assert refused.code == 2
    tried = re.search(r"set (average\.start=\S+), or train longer", refused.err)
    assert tried is not None, refused.err
    assert tried[1] == last
    assert call(*WORDS, *overrides, tried[1]).code == 0


def test_an_average_that_no_start_saves_says_what_does(call: Call) -> None:
    refused = call(*WORDS, "average=swa", "average.every=9ep")
    assert "train longer, or set a shorter average.every" in refused.err


def test_without_images_to_evaluate_on_no_average_is_prepared(call: Call, here: Path) -> None:
    done = call(*WORDS, "average=ema", "data.val=0", "hydra.run.dir=run")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in (here / "run/metrics.jsonl").read_text().splitlines()]
    assert not any("average_s" in row or "avg_val_loss" in row for row in rows)
    assert "test_avg" in json.loads((here / "run/summary.json").read_text())
