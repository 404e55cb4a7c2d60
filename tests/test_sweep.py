"""Sweeps: every combination is a run of its own; one that fails costs itself alone."""

from __future__ import annotations

import csv
import json
import statistics
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import TINY, Call, snapshot
from tests.warm import Warm

pytestmark = pytest.mark.slow  # whole runs

SHORT = (*TINY, "max_steps=3")


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


def table(sweep: Path) -> list[dict[str, str]]:
    with open(sweep / "table.csv", newline="") as file:
        return list(csv.DictReader(file))


def only(folder: Path) -> Path:
    """Return the one sweep under `outputs`."""
    (found,) = [p for p in (folder / "outputs" / "default").iterdir() if p.is_dir()]
    return found


def test_two_values_give_two_summaries_and_a_table(call: Call, here: Path) -> None:
    done = call("-m", *SHORT, "optim.lr=0.05,0.2")
    assert done.code == 0, done.err
    sweep = only(here)
    assert sorted(p.name for p in sweep.iterdir()) == ["0", "1", "sweep.yaml", "table.csv"]
    for number, lr in ((0, "0.05"), (1, "0.2")):
        run = sweep / str(number)
        assert summary(run)["status"] == "completed"
        assert f"optim.lr={lr}" in summary(run)["overrides"]
        assert "test" not in summary(run)  # sweeps choose on val
        assert yaml.safe_load((run / "config.yaml").read_text())["optim"]["lr"] == float(lr)
    listing = yaml.safe_load((sweep / "sweep.yaml").read_text())
    assert [entry["job"] for entry in listing] == [0, 1]
    assert [entry["overrides"][-1] for entry in listing] == ["optim.lr=0.05", "optim.lr=0.2"]
    for number, row in enumerate(table(sweep)):
        last = json.loads((sweep / str(number) / "metrics.jsonl").read_text().splitlines()[-1])
        assert row["job"] == str(number)
        assert row["optim.lr"] == ("0.05", "0.2")[number]
        assert row["status"] == "completed"
        assert float(row["val_top1"]) == last["val_top1"]
        assert row["test_top1"] == ""
    assert (here / "outputs" / "latest").resolve() == sweep.resolve()


def test_one_bad_job_costs_itself_alone(call: Call, here: Path) -> None:
    done = call("-m", *SHORT, "optim.nesterov=true", "optim.momentum=0.9,0", "seed=0,1")
    assert done.code == 1
    sweep = only(here)
    assert sorted(p.name for p in sweep.iterdir()) == ["0", "1", "sweep.yaml", "table.csv"]
    assert [row["status"] for row in table(sweep)] == ["completed"] * 2 + ["failed"] * 2
    assert "optim.nesterov" in done.out
    assert "no result from 2 of 4 jobs: 2, 3" in done.out
    assert len(yaml.safe_load((sweep / "sweep.yaml").read_text())) == 4


def test_one_name_that_does_not_exist_costs_its_own_jobs_alone(call: Call, here: Path) -> None:
    done = call("-m", *SHORT, "scheduler=cosin,cosine", "seed=0")
    assert done.code == 1
    assert [row["status"] for row in table(only(here))] == ["failed", "completed"]
    assert "unknown scheduler 'cosin'; did you mean 'cosine'?" in done.out
    assert "no result from 1 of 2 jobs: 0" in done.out


def test_a_diverged_job_is_a_result(call: Call, here: Path) -> None:
    done = call("-m", *TINY, "model.norm=none", "optim.lr=0.01,1e30")
    assert done.code == 0, done.out
    assert [row["status"] for row in table(only(here))] == ["completed", "diverged"]
    assert summary(only(here) / "1")["exit_code"] == 3


def test_only_bad_jobs_are_the_user_s_mistake_and_leave_nothing(call: Call, here: Path) -> None:
    done = call("-m", *SHORT, "optim.lr=-1,-2")
    assert done.code == 2
    assert done.err.count("error: ") == 1
    assert "none of the 2 jobs is valid" in done.err
    assert "optim.lr must be positive, got -1" in done.err
    assert "optim.lr must be positive, got -2" in done.err
    assert snapshot(here) == {}


def test_seeds_are_summed_up_by_mean_sd_standard_error_and_n(call: Call, here: Path) -> None:
    done = call("-m", *SHORT, "optim.lr=0.05,0.2", "seed=0,1,2")
    assert done.code == 0, done.err
    rows = table(only(here))
    assert len(rows) == 6
    for lr in ("0.05", "0.2"):
        scores = [float(r["val_top1"]) for r in rows if r["optim.lr"] == lr]
        mean, sd = statistics.fmean(scores), statistics.stdev(scores)
        cells = [f"{100 * v:.2f} %" for v in (mean, sd, sd / 3**0.5)]
        (line,) = [t for t in done.out.splitlines() if t.strip().startswith(f"{lr} ")]
        assert [" ".join(c.split()) for c in cells] == [
            f"{a} %" for a in line.replace("%", "").split()[1:4]
        ]
        assert line.split()[-1] == "3"  # n


def test_spellings_and_ranges_are_swept(call: Call, here: Path) -> None:
    done = call("-m", *SHORT, "mixup=on,off", "seed=range(2)")
    assert done.code == 0, done.err
    assert [(r["mix"], r["seed"]) for r in table(only(here))] == [
        *(("mixup", "0"), ("mixup", "1"), ("none", "0"), ("none", "1"))
    ]


@pytest.mark.parametrize(
    "overrides",
    [
        ("hydra/launcher=basic",),
        ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
        ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"),
    ],
    ids=lambda overrides: overrides[0].split("=")[1],
)
def test_hydra_s_own_launchers_run_the_jobs(
    overrides: tuple[str, ...], warm: Warm, here: Path
) -> None:
    done = warm.run(["-m", *SHORT, "optim.lr=0.05,-1,0.2", *overrides], here)
    assert done.code == 1, done.err
    sweep = only(here)
    assert [row["status"] for row in table(sweep)] == ["completed", "failed", "completed"]
    assert [summary(sweep / n)["overrides"][-1] for n in "02"] == ["optim.lr=0.05", "optim.lr=0.2"]
    assert "optim.lr must be positive, got -1" in done.out
    assert not list(sweep.rglob(".hydra"))
    assert not list(sweep.rglob("multirun.yaml"))


def test_a_named_sweep_folder_is_used(call: Call, here: Path) -> None:
    done = call("-m", *SHORT, "seed=0,1", "hydra.sweep.dir=mine")
    assert done.code == 0, done.err
    assert (here / "mine" / "1" / "summary.json").is_file()


@pytest.mark.slow
def test_a_job_gives_the_same_bits_as_a_fresh_process(call: Call, warm: Warm, here: Path) -> None:
    common = [*(w for w in TINY if w != "threads=1"), "mix=mixup", "average=ema"]
    done = call("-m", *common, "model.hidden=[8],[4,4]", "optim=sgd,adam", "seed=3")
    assert done.code == 0, done.err
    sweep = only(here)
    for number in range(4):
        overrides = summary(sweep / str(number))["overrides"]
        alone = here / f"alone-{number}"
        line = [*overrides, "threads=1", "report_test=false", f"hydra.run.dir={alone}"]
        assert warm.run(line, here).code == 0
        for key in ("weights_sha256", "key", "best_val_top1"):
            assert summary(alone)[key] == summary(sweep / str(number))[key], key
