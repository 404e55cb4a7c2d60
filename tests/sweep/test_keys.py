"""The key that a sweep predicts is the one that the run records: reuse stands on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import TINY
from trainer.composition.search_path import Sources
from trainer.record.runs import RunRow
from trainer.record.sweep_file import JobOverrides
from trainer.run.execute import RunRequest, execute
from trainer.sweep.jobs import Sweep, check_job
from trainer.sweep.reuse import predicted_key

SHORT = (*TINY, "max_steps=2", "checkpoint.keep=all")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose weights and whose state others begin with."""
    folder = tmp_path_factory.mktemp("teacher") / "run"
    return done(folder, "average=ema", "seed=5")[1].path


def done(folder: Path, *overrides: str, plugins: tuple[str, ...] = ()) -> tuple[str, RunRow]:
    """Return the key that a job is predicted to have, and its record."""
    job = check_job(0, JobOverrides((*SHORT, *overrides)), Sweep(Sources(), plugins))
    assert job.config is not None, job.error
    told = predicted_key(job.config)
    return told, execute(RunRequest(job.config, job.overrides, folder=str(folder), quiet=True))


@pytest.mark.parametrize(
    "overrides",
    [
        ("seed=3", "name=other", "threads=2", "device=cpu"),
        ("augment=[standard,cutout]", "augment.cutout.size=2", "mix=mixup", "label_noise=20%"),
        ("precision=fp16", "accumulate=2", "clip_norm=1"),
        ("precision=bf16", "tta=flip", "report_test=true"),
        ("precision=O2", "average=swa", "average.start=1st", "average.every=1st"),
        ("optim=muon", "optim.lr_rule=linear", "model.norm=none", "data.workers=1"),
        ("mix=mixup", "mix.partners=independent", "data.val=0", "checkpoint.every=1st"),
        ("data.root=somewhere", "data.subset=32", "scheduler=cosine"),
        ("init_from={run}@average",),
        ("init_from={run}/checkpoints/step-00000002/model.safetensors",),
        ("loss=distill", "loss.teacher={run}@best"),
        (
            *("loss=distill", "loss.teacher={run}/checkpoints/step-00000002/model.safetensors"),
            *("loss.teacher_model=mlp", "loss.teacher_args={{hidden: [8]}}", "init_from={run}"),
        ),
        ("fork={run}@2", "max_steps=4", "average=ema", "optim.lr=0.03"),
    ],
    ids=lambda overrides: overrides[0].partition("/")[0].partition("{")[0],
)
@pytest.mark.slow
def test_a_key_is_predicted(overrides: tuple[str, ...], teacher: Path, tmp_path: Path) -> None:
    named = [word.format(run=teacher) for word in overrides]
    told, row = done(tmp_path / "run", *named)
    assert told == row.key


@pytest.mark.slow
def test_a_key_with_a_plugin_is_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "key_plugin.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "plugin"))
    told, row = done(tmp_path / "run", plugins=("key_plugin",))
    assert told == row.key != done(tmp_path / "other")[0]
