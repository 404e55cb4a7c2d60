"""What a run leaves is what contract and rows say, and it is read back as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.command import TINY, Call
from trainer import read_runs
from trainer.core.errors import NotFound
from trainer.record.runs import EpochRow, find_runs, read_run

METRICS = (
    *("epoch", "step", "lr", "momentum", "train_loss", "train_top1", "val_loss", "val_top1"),
    *("val_top5", "avg_val_loss", "avg_val_top1", "images_per_s", "train_s", "average_s"),
    *("eval_s", "grad_norm", "loss_scale", "skipped_steps", "max_memory_bytes"),
)
SUMMARY = (
    *("status", "key", "overrides", "test", "best_val_top1", "best_checkpoint", "steps"),
    *("seconds", "data", "versions", "host", "device", "exit_code", "weights_sha256"),
)
PHASES = ("startup", "data", "compile", "train", "average", "eval", "total")


@pytest.fixture
def run(call: Call, here: Path) -> Path:
    """A finished run with an average."""
    done = call(*TINY, "average=swa", "average.start=50%", "hydra.run.dir=run")
    assert done.code == 0, done.err
    return here / "run"


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_rows_have_the_fields_of_the_contract_and_leave_out_what_does_not_apply(run: Path) -> None:
    assert set(EpochRow.__dataclass_fields__) - {"more"} == set(METRICS)
    first, last = lines(run)
    assert set(last) == set(METRICS) - {"loss_scale", "skipped_steps"}
    assert set(first) == set(last) - {"avg_val_loss", "avg_val_top1", "average_s"}
    assert (first["epoch"], first["step"], last["epoch"], last["step"]) == (1, 4, 2, 8)
    assert (first["lr"], first["momentum"]) == (0.05, 0.9)


@pytest.mark.slow
def test_the_folder_is_that_of_the_contract(run: Path) -> None:
    names = {p.name for p in run.iterdir()} - {"source.diff"}
    assert names == {
        *("config.yaml", "run.log", "metrics.jsonl", "summary.json", "checkpoints", "tensorboard"),
        "errors",
    }
    summary = json.loads((run / "summary.json").read_text())
    best = max(lines(run), key=lambda line: (line["val_top1"], -line["step"]))
    assert summary["best_val_top1"] == best["val_top1"]
    assert summary["best_checkpoint"] == f"checkpoints/step-{best['step']:08d}"
    kept = {p.name for p in (run / "checkpoints").iterdir()}
    assert kept == {"step-00000008", Path(summary["best_checkpoint"]).name}
    assert {p.name for p in (run / "checkpoints" / "step-00000008").iterdir()} == {
        *("model.safetensors", "average.safetensors", "state.pt", "manifest.json")
    }
    assert set(SUMMARY) <= set(summary)
    assert set(summary["seconds"]) == set(PHASES)
    assert set(summary["test"]) == set(summary["test_avg"]) == {"loss", "top1", "top5"}
    assert set(summary["data"]) == {"name", "fingerprint"}
    assert (summary["status"], summary["exit_code"], summary["steps"]) == ("completed", 0, 8)
    assert summary["seconds"]["total"] >= summary["seconds"]["train"] > 0
    assert len(summary["weights_sha256"]) == len(summary["key"]) == 64


@pytest.mark.slow
def test_runs_are_read_back_as_typed_rows(run: Path) -> None:
    (row,) = read_runs(run.parent)
    assert row.path == run.resolve()
    assert row.status == "completed"
    assert [e.plain() for e in row.epochs] == lines(run)
    assert row.val_top1 == lines(run)[-1]["val_top1"]
    assert row.settings["optim.lr"] == 0.05
    assert row.settings["average.name"] == "swa"
    assert row.test == row.summary["test"]
    assert row.seconds["train"] > 0


@pytest.mark.slow
def test_a_killed_run_is_read_up_to_its_last_whole_line(run: Path) -> None:
    (run / "summary.json").unlink()
    with open(run / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 3, "step": 12, "lr"')
    row = read_run(run)
    assert row.status == "unfinished"
    assert row.key is None
    assert [e.step for e in row.epochs] == [4, 8]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metrics.jsonl", "summary.json"])
def test_a_number_beyond_any_float_is_damage(run: Path, name: str) -> None:
    whole = read_run(run)
    text = (run / name).read_text()
    huge = re.sub(r'"(val_)?top1": [\d.]+', lambda m: f'"{m[1] or ""}top1": 1{"0" * 400}', text)
    assert huge != text
    (run / name).write_text(huge)
    row = read_run(run)
    assert (len(row.epochs), row.test is None) == (
        (0, whole.test is None) if name == "metrics.jsonl" else (len(whole.epochs), True)
    )
    assert "RunRow(" in repr(row)
    assert "<table" in row._repr_html_()


def test_fields_of_later_versions_are_left_out(run: Path) -> None:
    newer = {**lines(run)[0], "something_new": 3}
    (run / "metrics.jsonl").write_text(json.dumps(newer) + "\n")
    assert read_run(run).epochs[0].step == 4


def test_runs_come_in_the_order_of_their_numbers(here: Path) -> None:
    for name in ("10", "9", "x\u00b2", "2", "b/10", "b/9"):
        folder = here / "sweep" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text("seed: 0\n")
        (folder / "run.log").write_text("")
    found = [str(row.path.relative_to(here / "sweep")) for row in read_runs("sweep")]
    assert found == ["2", "9", "10", "b/9", "b/10", "x\u00b2"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("seed: [", "cannot read {file}, line 2: while parsing a flow node"),
        ("- a", "{file} must hold keys and values"),
        ("seed: five", "{file}: seed must be a whole number, got 'five'"),
        ("seed: true", "{file}: seed must be a whole number, got True"),
        ("seed:", "{file}: seed must be a whole number, got None"),
        ("optim: {1: 2}", "{file}: 'optim.1' is no key of a configuration"),
        ("a.b: 1", "{file}: 'a.b' is no key of a configuration"),
    ],
)
def test_a_damaged_configuration_ends_no_reading_of_many(
    here: Path, caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    for name, content in (("good", "seed: 3\n"), ("bad", text)):
        (here / "runs" / name).mkdir(parents=True)
        (here / "runs" / name / "config.yaml").write_text(content)
        (here / "runs" / name / "run.log").write_text("")
    told = reason.format(file=here / "runs" / "bad" / "config.yaml")
    found = find_runs("runs")
    assert [run.config for run in found.runs] == [{"seed": 3}]
    assert list(found.damaged) == [here / "runs" / "bad"]
    assert found.damaged[here / "runs" / "bad"].startswith(told)
    assert [run.config for run in read_runs("runs")] == [{"seed": 3}]
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"left out: {told}")


def test_a_place_that_does_not_exist_is_named(here: Path) -> None:
    with pytest.raises(NotFound, match="no folder nowhere"):
        read_runs("nowhere")


@pytest.mark.slow
def test_tensorboard_shows_the_same_numbers_and_one_hparams_row(run: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(run / "tensorboard"))
    board.Reload()
    tags = board.Tags()
    for tag, field in (("loss/train", "train_loss"), ("top1/val", "val_top1")):
        drawn = [(event.step, event.value) for event in board.Scalars(tag)]
        told = [(line["step"], line[field]) for line in lines(run)]
        assert [s for s, _ in drawn] == [s for s, _ in told]
        assert [v for _, v in drawn] == pytest.approx([v for _, v in told], rel=1e-6)
    assert [event.step for event in board.Scalars("loss/val_averaged")] == [8]
    assert "final/test_top1" in tags["scalars"]
    errors = ["errors/confusion", "errors/mistakes"]
    assert tags["images"] == ["images/train_as_the_network_sees_them", *errors]
    (images,) = board.Images(tags["images"][0])
    assert (images.width, images.height) == (8 * 64, 2 * 64)  # of 8 pixels a side, 16 of them
    assert not [p for p in (run / "tensorboard").iterdir() if p.is_dir()]


def test_jobs_of_a_sweep_without_a_run_are_counted(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    entries = "".join(f"- {{job: {n}, overrides: [seed={n}]}}\n" for n in range(3))
    (sweep / "sweep.yaml").write_text(entries)
    (sweep / "1").mkdir()
    for name, text in (("config.yaml", "seed: 1\n"), ("run.log", "")):
        (sweep / "1" / name).write_text(text)
    elsewhere = tmp_path / "other" / "0"
    elsewhere.parent.mkdir()
    (sweep / "1").rename(elsewhere)
    (sweep / "1").symlink_to(elsewhere)  # reused
    found = find_runs(sweep)
    assert found.missing[sweep] == f"2 of 3 jobs of {sweep} have no run: 0, 2"
    (sweep / "sweep.yaml").write_text("x")
    assert "must list jobs" in find_runs(sweep).missing[sweep]
