"""`outputs=`: the folder of all results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.command import TINY, Call
from trainer.study import spec
from trainer.study.study import changed

ONE = (*TINY, "max_steps=1", "report_test=false")


def summary(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "summary.json").read_text())
    return found


@pytest.mark.slow
def test_runs_go_where_outputs_says_and_their_keys_do_not_tell(here: Path, call: Call) -> None:
    place = here / "my, [results]" / "of=mine"
    assert call(*ONE, f"outputs={place}").code == 0
    assert call(*ONE).code == 0
    (run,) = (path for path in (place / "default").iterdir())
    assert (place / "latest").resolve() == run
    assert yaml.safe_load((run / "config.yaml").read_text())["outputs"] == str(place)
    (plain,) = (here / "outputs" / "default").iterdir()
    assert summary(run)["key"] == summary(plain)["key"]
    again = call(f"repeat={run}")
    assert again.code == 0, again.err
    assert len(list((place / "default").iterdir())) == 2
    listed = json.loads(call("ls", f"outputs={place}", "--json").out)
    assert [Path(entry["path"]).absolute().parent for entry in listed] == [place / "default"] * 2


@pytest.mark.slow
def test_a_sweep_reuses_what_lies_there(here: Path, call: Call) -> None:
    assert call(*ONE, "outputs=../res", "seed=1").code == 0
    done = call("-m", *ONE, "outputs=../res", "seed=0,1")
    assert done.code == 0, done.err
    assert "reused 1 of 2 from ../res/default" in done.out
    assert not (here / "outputs").exists()
    sweep = (here.parent / "res" / "latest").resolve()
    (sweep / "0" / "summary.json").unlink()
    resumed = call(f"resume={sweep}")
    assert resumed.code == 0, resumed.err
    assert summary(sweep / "0")["status"] == "completed"


@pytest.mark.slow
def test_a_sweep_has_one_folder_of_results(here: Path, call: Call) -> None:
    refused = call("-m", *ONE, "outputs=a,b")
    assert refused.code == 2
    assert "outputs must be one folder for all jobs, got a, b" in refused.err
    assert not list(here.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("words", [ONE, ("-m", *ONE, "seed=0,1")], ids=["a run", "a sweep"])
def test_what_cannot_be_written_is_told_alike(
    here: Path, call: Call, words: tuple[str, ...]
) -> None:
    (here / "file").touch()
    refused = call(*words, "outputs=file/inner")
    assert refused.code == 2
    reason = f"cannot write {here}/file/inner: {here}/file is not a folder"
    assert refused.err.splitlines()[-1] == f"error: {reason}"
    for value in ("", " ", "null"):
        assert "outputs must be" in call(*words, f"outputs={value}").err


@pytest.mark.slow
def test_no_results_within_a_run(here: Path, call: Call) -> None:
    assert call(*ONE, "hydra.run.dir=mine").code == 0
    for word in ("outputs=mine", "outputs=mine/more", "hydra.run.dir=mine/checkpoints/new"):
        assert "mine is the folder of a run" in call(*ONE, word).err
    assert call("-m", *ONE, "seed=0,1").code == 0
    assert "is the folder of a sweep" in call(*ONE, "outputs=outputs/latest").err
    assert "these differ: outputs=else" in call("resume=mine", "outputs=else").err


def test_a_study_s_files_go_there_too() -> None:
    study = changed(spec.load("mixup", "minute"), ["outputs=/scratch/my results"])
    assert study.folder == Path("/scratch/my results/mixup_minute")
    assert "outputs=DIR" in study.command()
