"""A run goes on exactly as it was, or, where that is allowed and said, close to it."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.command import TINY, Call
from tests.training import assembled
from tests.warm import Warm
from trainer.checkpoint import format as checkpoint
from trainer.config import compare
from trainer.core.environment import World
from trainer.metrics import Meter
from trainer.state import own_part

EVERY = (*TINY, "checkpoint.every=1st", "checkpoint.keep=all")


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


def cut(run: Path, step: int) -> Path:
    """Make a finished run one that was killed after the checkpoint of a step."""
    (run / "summary.json").unlink(missing_ok=True)
    for path in checkpoint.folders(run / "checkpoints"):
        if int(path.name[5:]) > step:
            shutil.rmtree(path)
    return run


def remake(run: Path, **facts: object) -> None:
    """Let every manifest tell of another machine, without touching a file that has a sum."""
    for path in checkpoint.folders(run / "checkpoints"):
        manifest = json.loads((path / "manifest.json").read_text())
        versions = {**manifest["versions"], **facts.pop("versions", {})}  # type: ignore[dict-item]
        (path / "manifest.json").write_text(json.dumps({**manifest, "versions": versions, **facts}))


@pytest.fixture
def run(call: Call, here: Path) -> Path:
    """A run that was killed after step 5 of 8."""
    assert call(*EVERY, "hydra.run.dir=run").code == 0
    return cut(here / "run", 5)


@pytest.mark.slow
def test_a_difference_is_refused_with_the_line_that_allows_it(call: Call, run: Path) -> None:
    whole = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    remake(run, device="a GPU", sources="0" * 64, versions={"torch": "1.0"})
    refused = call(f"resume={run}")
    assert refused.code == 2
    for text in ("device=a GPU, this is device=cpu", "torch=1.0", "sources of this program"):
        assert text in refused.err, text
    line = shlex.split(refused.err.strip().splitlines()[-1])
    assert line == [
        "python",
        "-m",
        "trainer",
        f"resume={run.name}",
        "resume_allow=[device,versions]",
    ]
    assert call(f"resume={run}", "resume_allow=[device]").code == 2
    done = call(*line[3:])
    assert done.code == 0, done.err
    assert "device was a GPU and is cpu: the run goes on close to" in done.out
    (entry,) = summary(run)["resumed_across"]
    assert entry["step"] == 5
    assert entry["torch"] == ["1.0", torch.__version__]
    assert set(entry) == {"step", "device", "torch", "sources"}
    assert "close to what it would have been" in (run / "run.log").read_text()
    assert whole.keys() - {run / "summary.json"} <= set(run.rglob("*"))


@pytest.mark.slow
def test_threads_change_with_the_word_and_the_record_says_so(
    call: Call, run: Path, here: Path
) -> None:
    exact = here / "exact"
    shutil.copytree(run, exact)
    assert call(f"resume={exact}").code == 0
    refused = call(f"resume={run}", "threads=2")
    assert refused.code == 2
    assert "threads=2 (was 1)" in refused.err
    assert "resume_allow=[threads]" in refused.err
    done = call(f"resume={run}", "threads=2", "resume_allow=[threads]")
    assert done.code == 0, done.err
    assert summary(run)["threads"] == 2
    assert summary(run)["resumed_across"] == [{"step": 5, "threads": [1, 2]}]
    assert "threads: 2" in (run / "config.yaml").read_text()
    assert summary(run)["key"] != summary(exact)["key"]
    assert "resumed_across" not in summary(exact)
    manifest = json.loads((run / "checkpoints" / "step-00000007" / "manifest.json").read_text())
    assert manifest["resumed_across"] == summary(run)["resumed_across"]
    # killed again, it goes on by itself: what was allowed is how it is now, and stays recorded
    key = summary(run)["key"]
    assert call(f"resume={cut(run, 7)}").code == 0
    assert summary(run)["key"] == key
    assert summary(run)["resumed_across"] == [{"step": 5, "threads": [1, 2]}]


@pytest.mark.slow
def test_nothing_else_can_be_allowed(call: Call, run: Path) -> None:
    for overrides, text in (
        ((f"resume={run}", "resume_allow=[thread]"), "did you mean 'threads'"),
        (("resume_allow=[threads]",), "name it by resume="),
        ((f"resume={run}", "optim.lr=1", "resume_allow=[threads,device]"), "optim.lr=1.0 (was"),
        ((f"resume={run}", "seed=3", "epochs=5"), "seed=3 (was 0), epochs=5.0 (was 2"),
    ):
        refused = call(*overrides)
        assert refused.code == 2
        assert text in refused.err


@pytest.mark.slow
def test_an_edited_configuration_is_refused_with_all_that_changed(call: Call, run: Path) -> None:
    text = (run / "config.yaml").read_text()
    edited = text.replace("seed: 0", "seed: 3", 1).replace("momentum: 0.9", "momentum: 0.8")
    (run / "config.yaml").write_text(edited)
    refused = call(f"resume={run}", "resume_allow=[threads,world_size,versions,device]")
    assert refused.code == 2
    assert "optim.momentum=0.8 (was 0.9), seed=3 (was 0)" in refused.err
    assert not (run / "summary.json").exists()


@pytest.mark.slow
def test_the_record_of_an_older_version_lacks_keys_and_goes_on(
    call: Call, run: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a component `model.norm`, of what a group shares `data.last`, of the run `tta`."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config["model"]["norm"], config["data"]["last"], config["tta"]
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    for path in checkpoint.folders(run / "checkpoints"):
        manifest = json.loads((path / "manifest.json").read_text())
        (path / "manifest.json").write_text(json.dumps({**manifest, "config": config}))
    refused = call(f"resume={run}")
    assert refused.code == 2
    assert "tta=none (was not there)" in refused.err
    monkeypatch.setitem(compare.NEUTRAL, "tta", "none")
    assert "model.norm=none (was batch)" in call(f"resume={run}", "model.norm=none").err
    done = call(f"resume={run}")
    assert done.code == 0, done.err
    assert "resumed_across" not in summary(run)
    assert call(f"repeat={run}", "hydra.run.dir=again").code == 0
    assert summary(here / "again")["key"] == summary(run)["key"]
    assert summary(here / "again")["weights_sha256"] == summary(run)["weights_sha256"]


def test_two_processes_parts_become_one_s() -> None:
    def part(mean: float, count: int, hits: float) -> dict[str, Any]:
        meter = Meter(4, 3, device=torch.device("cpu"), dtype=torch.float32)
        meter.sizes, meter.seen = [8, 8], count
        meter.losses[:2] = torch.tensor([hits, 1.0])
        meter.hits += hits
        buffers = {"mean": torch.tensor([mean]), "num": torch.tensor(7)}
        return {"buffers": buffers, "average_buffers": {}, "meter": meter.state_dict()}

    ranks = [part(1.0, 8, 2.0), part(3.0, 6, 5.0)]
    (one,) = [own_part(ranks, World(), 0)]
    assert one["buffers"]["mean"].tolist() == [2.0]
    assert one["buffers"]["num"] == 7
    assert one["meter"]["losses"].tolist() == [7.0, 2.0, 0.0]
    assert (one["meter"]["hits"].item(), one["meter"]["seen"]) == (7.0, 14)
    assert one["meter"]["sizes"] == [8, 8]
    other = own_part([ranks[0]], World(rank=1, size=2), 0)
    assert (other["meter"]["hits"].item(), other["meter"]["seen"]) == (0.0, 0)
    assert other["meter"]["sizes"] == [8, 8]
    assert own_part(ranks, World(rank=1, size=2), 0) is ranks[1]


def test_a_meter_goes_on_in_a_longer_epoch() -> None:
    short = Meter(4, 2, device=torch.device("cpu"), dtype=torch.float32)
    short.sizes = [8, 8]
    short.losses += 1.0
    rest = Meter(6, 3, device=torch.device("cpu"), dtype=torch.float32)
    rest.load_state_dict(short.state_dict())
    assert rest.losses.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert rest.first == 4


@pytest.mark.slow
def test_on_two_processes_a_run_of_one_keeps_order_and_schedule(
    call: Call, warm: Warm, here: Path
) -> None:
    """In float64, without BatchNorm, two processes are one but for the order of sums."""
    overrides = (*EVERY, "precision=fp64", "model.norm=none", "scheduler=cosine", "accumulate=2")
    assert call(*overrides, "hydra.run.dir=one").code == 0
    shutil.copytree(here / "one", here / "two")
    run = cut(here / "two", 5)

    def on_two(*more: str) -> tuple[int, str]:
        words = ["--standalone", "--nproc-per-node=2", "-m", "trainer", f"resume={run}", *more]
        process = warm.torchrun(words, here)
        _, err = process.communicate()
        return process.wait(), err

    code, err = on_two()
    assert code != 0
    assert "world_size=1, this is world_size=2" in err
    assert "resume_allow=[world_size]" in err
    code, err = on_two("resume_allow=[world_size]")
    assert code == 0, err
    assert summary(run)["resumed_across"] == [{"step": 5, "world_size": [1, 2]}]
    rows = [
        [json.loads(line) for line in (here / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    assert [r["lr"] for r in rows[0]] == [r["lr"] for r in rows[1]]
    assert rows[0][-1]["train_loss"] == pytest.approx(rows[1][-1]["train_loss"], rel=1e-9)
    found = [checkpoint.newest(here / n / "checkpoints")[0] for n in ("one", "two")]
    assert found[0] is not None
    assert found[1] is not None
    for name, tensor in found[0].weights().items():
        torch.testing.assert_close(found[1].weights()[name], tensor, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_the_state_of_two_processes_fits_one() -> None:
    from trainer.state import load_state, save_state

    with assembled(*TINY) as run:
        saved = save_state(run)
        saved["ranks"] = [saved["ranks"][0], saved["ranks"][0]]
        load_state(run, saved, run.model.state_dict(), {})
        assert run.state.step == 0
