"""Whole sweeps: nothing is lost, nothing is done twice, and job k is what a process of its own
would make of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import PATIENCE_S, ROOT, TINY, Call, Outcome, environment, start
from tests.warm import Running, Warm
from trainer.model.base import MODELS
from trainer.record.runs import RunRow, read_runs
from trainer.sweep.runner import run_jobs

pytestmark = pytest.mark.slow  # whole runs

SHORT = (*TINY, "max_steps=3")


def sweeps(here: Path) -> list[Path]:
    """Return the folders of sweeps, the oldest first."""
    return sorted(
        (p for p in (here / "outputs" / "default").iterdir()), key=lambda p: p.stat().st_mtime
    )


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


def own_runs(here: Path) -> list[Path]:
    """Return the folders of runs that are no links to others."""
    return [p for s in sweeps(here) for p in s.iterdir() if p.is_dir() and not p.is_symlink()]


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def fragile(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Words for a network that can be broken, in a plugin with a folder of configurations."""
    place = here / "plugin"
    (place / "conf" / "model").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "sweep" / "fragile.py", place / "fragile.py")
    marks = here / "marks"
    marks.mkdir()
    (place / "conf" / "model" / "fragile.yaml").write_text(
        "name: fragile\nmarks: ???\nhow: dies\ntimes: 1\n"
    )
    monkeypatch.syspath_prepend(str(place))
    kept = [w for w in SHORT if not w.startswith("model")]
    yield ["plugins=[fragile]", "model=fragile", f"model.marks={marks}", *kept]
    sys.modules.pop("fragile", None)  # no other test's process knows this network
    MODELS._classes.pop("fragile", None)


def test_a_job_s_place_in_the_order_moves_no_bit(here: Path) -> None:
    images = [w for w in SHORT if not w.startswith("model")]
    jobs = [
        (*SHORT, "optim=adam", "precision=bf16", "mix=mixup", "average=ema"),
        (*SHORT, "optim=sgd", "label_noise=20%", "augment=cutout", "augment.cutout.size=2"),
        (*SHORT, "precision=fp64", "average=swa", "average.start=1st", "average.every=1st"),
        (*images, "model=cnn", "optim=muon", "threads=2", "scheduler=cosine"),
    ]
    known: dict[tuple[str, ...], str] = {}
    for order in (jobs, jobs[::-1]):  # each before and after each other one
        for job, row in zip(
            order, run_jobs(order, reuse=False, quiet=True, workers=1), strict=True
        ):
            assert isinstance(row, RunRow), row
            assert (
                known.setdefault(job, row.summary["weights_sha256"])
                == row.summary["weights_sha256"]
            )
    assert len(set(known.values())) == len(jobs)


def test_more_seeds_run_only_what_is_new(call: Call, here: Path) -> None:
    assert call("-m", *SHORT, "seed=0,1,2").code == 0
    (first,) = sweeps(here)
    before = {p: (p / "summary.json").stat().st_mtime_ns for p in own_runs(here)}
    done = call("-m", *SHORT, "seed=0,1,2,3,4")
    assert done.code == 0, done.err
    assert f"reused 3 of 5 from outputs/default/{first.name}" in done.out
    second = sweeps(here)[1]
    assert sorted(p.name for p in second.iterdir() if p.is_symlink()) == ["0", "1", "2"]
    assert {p: (p / "summary.json").stat().st_mtime_ns for p in before} == before
    assert len(own_runs(here)) == 5
    seeds = sorted(row.config["seed"] for row in read_runs(second))
    assert seeds == [0, 1, 2, 3, 4]
    assert len((second / "table.csv").read_text().splitlines()) == 6
    assert sorted(row.config["seed"] for row in read_runs(here / "outputs")) == [0, 1, 2, 3, 4]


def test_reuse_can_be_switched_off_and_a_changed_setting_is_new(call: Call, here: Path) -> None:
    assert call("-m", *SHORT, "seed=0").code == 0
    done = call("-m", *SHORT, "seed=0", "reuse=off")
    assert done.code == 0, done.err
    assert "reused" not in done.out
    assert "reused" not in call("-m", *SHORT, "seed=0", "optim.lr=0.07").out
    assert len(own_runs(here)) == 3
    a, b = own_runs(here)[:2]
    assert summary(a)["weights_sha256"] == summary(b)["weights_sha256"]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program, whose sources may be changed."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("trainer", "conf"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    return root


@pytest.fixture(scope="module")
def server_of_copy(copy: Path) -> Iterator[Warm]:
    server = Warm((copy, ROOT), is_fixed=False)
    yield server
    server.close()


@pytest.fixture
def copied(copy: Path, server_of_copy: Path, here: Path) -> Iterator[Callable[..., Outcome]]:
    """Answer a command line by the copy, whose sources are put back at the end."""
    path = f"{server_of_copy.path}{os.pathsep}{here / 'plugin'}"

    def run(*overrides: str) -> Outcome:
        env = {**environment(), "PYTHONPATH": path}
        process = server_of_copy.start(["-m", "trainer", *overrides], here, env=env)
        out, err = process.communicate()
        return Outcome(process.wait(), out, err)

    yield run
    for file in (copy / "trainer").rglob("*.py"):
        shutil.copy(ROOT / file.relative_to(copy), file)


def append(file: Path, text: str) -> None:
    with open(file, "a") as out:
        out.write(text)


def test_what_changed_in_the_sources_says_what_is_reused(
    copied: Callable[..., Outcome], copy: Path
) -> None:
    def sweep() -> str:
        done = copied("-m", *SHORT, "optim=sgd,adam")
        assert done.code == 0, done.err
        return done.out

    ours = copy / "trainer"
    assert "reused" not in sweep()
    for name in ("loop", "optim/adam", "optim/base"):
        append(ours / f"{name}.py", "\n# a comment\n")
    for name in ("analysis/curves", "cli/main", "sweep/pool", "record/runs", "config/run_config"):
        append(ours / f"{name}.py", "\nCHANGED = True\n")
    text = (ours / "optim" / "base.py").read_text()
    (ours / "optim" / "base.py").write_text(text.replace("must be", "has to be"))
    assert "reused 2 of 2" in sweep()
    append(ours / "optim" / "adam.py", "\nCHANGED = True\n")
    out = sweep()
    assert "reused 1 of 2" in out
    assert "job 1  completed  optim=adam" in out
    assert "not reused: finished runs of 1 of these configurations, made by other sources" in out
    append(ours / "loop.py", "\nCHANGED = True\n")
    assert "not reused: finished runs of 2 of these configurations" in sweep()


def test_a_changed_plugin_makes_its_runs_anew(
    fragile: list[str], copied: Callable[..., Outcome], here: Path
) -> None:
    def sweep() -> str:
        done = copied("-m", *fragile, "model.times=0", "seed=0,1")
        assert done.code == 0, done.err
        return done.out

    assert "reused" not in sweep()
    append(here / "plugin" / "fragile.py", "# a comment\n")
    assert "reused 2 of 2" in sweep()
    append(here / "plugin" / "fragile.py", "CHANGED = True\n")
    out = sweep()
    assert "reused 2" not in out
    assert "not reused: finished runs of 2 of these configurations, made by other sources" in out


def test_a_changed_source_stops_the_resuming_of_runs_that_depend_on_it(
    copied: Callable[..., Outcome], copy: Path, here: Path
) -> None:
    ours, line = copy / "trainer", (*TINY, "checkpoint.every=1st", "checkpoint.keep=all")
    runs = {name: here / name for name in ("sgd", "adam")}
    for name, run in runs.items():
        assert copied(*line, f"optim={name}", f"hydra.run.dir={run}").code == 0
        (run / "summary.json").unlink()
        shutil.rmtree(run / "checkpoints" / "step-00000008")
    for name in ("loop", "optim/sgd", "optim/adam"):
        append(ours / f"{name}.py", "\n# a comment\n")
    append(ours / "analysis" / "curves.py", "\nCHANGED = True\n")
    append(ours / "optim" / "adam.py", "\nCHANGED = True\n")
    done = copied(f"resume={runs['sgd']}")
    assert done.code == 0, done.err
    assert "resumed_across" not in summary(runs["sgd"])
    refused = copied(f"resume={runs['adam']}")
    assert refused.code == 2
    assert "sources of this program" in refused.err
    assert "resume_allow=[versions]" in refused.err
    done = copied(f"resume={runs['adam']}", "resume_allow=[versions]")
    assert done.code == 0, done.err
    assert set(summary(runs["adam"])["resumed_across"][0]) == {"step", "sources"}


def test_the_same_job_twice_in_a_sweep_is_done_once(call: Call, here: Path) -> None:
    done = call("-m", *SHORT, "optim.lr=0.1,0.10,1e-1")
    assert done.code == 0, done.err
    assert len(own_runs(here)) == 1
    assert len((sweeps(here)[0] / "table.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize("how", ["dies", "hangs", "memory", "stops"])
def test_a_job_whose_worker_is_lost_is_done_by_another(
    how: str, fragile: list[str], call: Call, here: Path
) -> None:
    done = call(
        *("-m", *fragile, f"model.how={how}", "model.times=1", "seed=0,1", "reuse=off"),
        *("hydra.launcher.timeout=2s", "hydra.launcher.workers=1"),
    )
    assert done.code == 0, done.out + done.err
    assert len(list((here / "marks").iterdir())) == 1
    assert [summary(p)["status"] for p in own_runs(here)] == ["completed"] * 2


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("dies", "its worker died by SIGKILL, twice"),
        ("stops", "its worker made no progress for"),
        ("memory", "not enough memory"),
    ],
)
def test_a_job_that_loses_two_workers_is_told_and_costs_no_other(
    how: str, told: str, fragile: list[str], call: Call, here: Path
) -> None:
    done = call(
        *("-m", *fragile, f"model.how={how}", "model.times=2", "seed=0,1", "reuse=off"),
        *("hydra.launcher.timeout=2s", "hydra.launcher.workers=1"),
    )
    assert done.code == 1
    assert told in done.out
    assert "no result from 1 of 2 jobs: 0" in done.out
    assert "again     python -m trainer 'plugins=[fragile]' resume=outputs/" in done.out
    again = call(f"resume={sweeps(here)[0]}", "plugins=[fragile]")
    assert again.code == 0, again.out + again.err
    assert [summary(sweeps(here)[0] / n)["status"] for n in "01"] == ["completed"] * 2


def test_a_plugin_that_a_worker_cannot_import_is_told_once(
    fragile: list[str], call: Call, here: Path
) -> None:
    module = here / "plugin" / "fragile.py"
    only = (
        "import multiprocessing\nassert multiprocessing.parent_process() is None, 'one\\nlicence'\n"
    )
    source = module.read_text()
    head, _, rest = source.partition("\n@")
    module.write_text(f"{head}\n{only}\n@{rest}")
    done = call("-m", *fragile, "seed=0,1,2", "reuse=off")
    assert done.code == 1
    reason = "its worker cannot import fragile: AssertionError: one licence"
    assert done.out.count(reason) == 1
    first = re.search(rf"job (\d)  failed  seed=\d: {reason}\n", done.out)
    assert first is not None
    assert done.out.count(f": as job {first[1]}\n") == 2


LONG = (*TINY, "epochs=12", "data.num_train=640", "checkpoint.every=20st", "mix=mixup")
JOBS = "012"


def finished(sweep: Path) -> list[Path]:
    return [
        p.parent for p in sweep.glob("*/summary.json") if summary(p.parent)["status"] == "completed"
    ]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The weights that the three jobs of LONG end with, by seed."""
    rows = run_jobs(
        [(*LONG, f"seed={s}") for s in JOBS],
        folder=tmp_path_factory.mktemp("whole") / "sweep",
        quiet=True,
    )
    pairs = zip(JOBS, rows, strict=True)
    return {s: row.summary["weights_sha256"] for s, row in pairs if isinstance(row, RunRow)}


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_sweep_that_was_stopped_goes_on_with_what_is_missing(
    signum: signal.Signals, here: Path, call: Call, warm: Warm, uninterrupted: dict[str, str]
) -> None:
    line = ["-m", *LONG, f"seed={','.join(JOBS)}", "hydra.launcher.workers=1"]
    process = warm.start(["-m", "trainer", *line], here)
    wait_for(lambda: (here / "outputs" / "default").is_dir())
    wait_for(lambda: bool(sweeps(here)))
    sweep = sweeps(here)[0]
    wait_for(lambda: len(finished(sweep)) == 1 and bool(list(sweep.glob("1/checkpoints/step-*"))))
    process.send_signal(signum)
    _out, err = process.communicate()
    assert process.returncode == (-9 if signum == signal.SIGKILL else 128 + signum)
    if signum != signal.SIGKILL:
        assert f"resume={sweep.relative_to(here)}" in err
        assert summary(sweep / "1")["status"] == "interrupted"
    before = {p: (p / "summary.json").stat().st_mtime_ns for p in finished(sweep)}
    assert len(before) < len(JOBS)
    done = call(f"resume={sweep}")
    assert done.code == 0, done.out + done.err
    assert {p: (p / "summary.json").stat().st_mtime_ns for p in before} == before
    found = {s: summary(sweep / s)["weights_sha256"] for s in JOBS}
    assert found == uninterrupted
    assert len((sweep / "table.csv").read_text().splitlines()) == 1 + len(JOBS)


def test_two_sweeps_at_once_never_do_a_job_twice(warm: Warm, here: Path) -> None:
    words = ["-m", "trainer", "-m", *TINY, "epochs=4", "hydra.launcher.workers=1"]
    both = [
        warm.start([*words, "seed=0,1,2,3,4,5"], here),
        warm.start([*words, "seed=5,4,3,2,1,0"], here),
    ]
    for process in both:
        out, err = process.communicate()
        assert process.returncode == 0, out + err
    assert len(sweeps(here)) == 2
    assert sorted(summary(p)["overrides"][-1] for p in own_runs(here)) == [
        f"seed={s}" for s in range(6)
    ]
    for sweep in sweeps(here):
        assert len((sweep / "table.csv").read_text().splitlines()) == 7
        assert len(read_runs(sweep)) == 6


def test_nothing_is_left_running_when_a_sweep_is_killed(warm: Warm, here: Path) -> None:
    before = alive_in(here)  # this process too
    line = ["-m", *LONG, "epochs=4000", "seed=0,1", "hydra.launcher.workers=2"]
    process = warm.start(["-m", "trainer", *line], here)
    wait_for(lambda: len(list((here / "outputs").glob("default/*/*/checkpoints/step-*"))) >= 2)
    process.kill()
    process.communicate()
    wait_for(lambda: alive_in(here) <= before)


def alive_in(folder: Path) -> set[str]:
    """Return the processes whose working folder is this one."""
    found = set()
    for cwd in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if cwd.resolve() == folder.resolve():
                found.add(cwd.parent.name)
        except OSError:
            continue
    return found


def test_each_job_may_have_processes_of_its_own(warm: Warm, here: Path) -> None:
    line = ("-m", *SHORT, "strategy.processes=2", "average=ema")
    done = warm.run([*line, "seed=0,1"], here)
    assert done.code == 0, done.out + done.err
    (sweep,) = sweeps(here)
    assert [summary(sweep / n)["world_size"] for n in "01"] == [2, 2]
    alone = here / "alone"
    words = ["--standalone", "--nproc-per-node=2", "-m", "trainer", *SHORT, "average=ema"]
    words += ["seed=1", "report_test=false", f"hydra.run.dir={alone}"]
    assert warm.torchrun(words, here).wait() == 0
    assert summary(alone)["weights_sha256"] == summary(sweep / "1")["weights_sha256"]
    assert summary(alone)["key"] == summary(sweep / "1")["key"]
    again = warm.run([*line, "seed=1,2", "batch_size=16,17"], here)
    assert again.code == 1
    assert "reused 1 of 4" in again.out
    assert "batch_size=17" in again.out


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (("strategy=ddp",), "strategy.processes=2, for the jobs of a sweep"),
        (("strategy.processes=0",), "strategy.processes must be at least 1"),
        (("reuse=maybe",), "reuse must be on or off"),
        (("hydra.launcher.workers=0",), "hydra.launcher.workers must be at least 1"),
        (("hydra.launcher.timeout=3",), "hydra.launcher.timeout"),
        (("optim.lr=interval(0.1,1)",), "hydra.sweeper.trials=12"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    overrides: tuple[str, ...], told: str, call: Call, here: Path
) -> None:
    done = call("-m", *SHORT, *overrides)
    assert done.code == 2, done.out + done.err
    assert told in done.err
    assert not (here / "outputs").exists()


def test_words_of_sweeps_mean_nothing_to_a_single_run(call: Call, here: Path) -> None:
    assert "reuse= is of sweeps" in call(*SHORT, "reuse=off").err
    assert "is for sweeps (with -m)" in call(*SHORT, "strategy.processes=2").err
    assert call("-m", *SHORT, "seed=0").code == 0
    (sweep,) = sweeps(here)
    assert "leave out optim.lr=3" in call(f"resume={sweep}", "optim.lr=3").err
    assert "leave out -m" in call("-m", f"resume={sweep}").err


def test_draws_from_intervals_are_jobs(call: Call, here: Path) -> None:
    done = call(
        *("-m", *SHORT, "optim.lr=tag(log, interval(1e-3,1))", "seed=0,1", "hydra.sweeper.trials=3")
    )
    assert done.code == 0, done.err
    lrs = {row.config["optim"]["lr"] for row in read_runs(here / "outputs")}
    assert len(lrs) == 3
    assert all(1e-3 <= lr <= 1 for lr in lrs)


def test_a_list_of_jobs_is_data(call: Call, here: Path) -> None:
    assert call("-m", *SHORT, "seed=0").code == 0
    (sweep,) = sweeps(here)
    for text in (
        "[]",
        "{}",
        "- 3",
        "- {job: 0, overrides: [1]}",
        "- {job: 7, overrides: []}",
        "&a [*a]",
    ):
        (sweep / "sweep.yaml").write_text(text)
        done = call(f"resume={sweep}")
        assert done.code == 2, text
        assert "sweep.yaml" in done.err
    (sweep / "sweep.yaml").write_text("- {job: 0, overrides: ['plugins=[os]']}")
    done = call(f"resume={sweep}")
    assert done.code == 2
    assert "plugins" in done.err


def test_a_job_without_images_says_so(call: Call, here: Path) -> None:
    done = call("-m", "data=mnist", f"data.root={here}/nothing", "model=mlp", "seed=0")
    assert done.code == 1
    assert str(here / "nothing") in done.out
    assert "died" not in done.out


def test_a_result_of_other_words_is_not_taken_for_a_job_s(call: Call, here: Path) -> None:
    assert call("-m", *SHORT, "seed=0,1").code == 0
    (sweep,) = sweeps(here)
    assert call(f"resume={sweep}").code == 0
    listing = (sweep / "sweep.yaml").read_text()
    (sweep / "sweep.yaml").write_text(listing.replace("seed=1", "seed=7"))
    done = call(f"resume={sweep}")
    assert done.code == 1
    assert "holds the result of other words" in done.out
    assert "no result from 1 of 2 jobs: 1" in done.out
    assert summary(sweep / "1")["overrides"][-1] == "seed=1"


def test_two_programs_may_go_on_with_one_sweep(warm: Warm, here: Path) -> None:
    (here / "sweep").mkdir()
    jobs = [{"job": s, "overrides": [*TINY, "epochs=4", f"seed={s}"]} for s in range(4)]
    (here / "sweep" / "sweep.yaml").write_text(json.dumps(jobs))
    words = ["-m", "trainer", f"resume={here}/sweep"]
    for process in [warm.start(words, here) for _ in range(2)]:
        out, err = process.communicate()
        assert process.returncode == 0, out + err
    assert [summary(here / "sweep" / n)["status"] for n in "0123"] == ["completed"] * 4


def test_a_script_may_sweep_at_its_top_level(warm: Warm, here: Path) -> None:
    script = f"from trainer import run_jobs\nprint(run_jobs([{list(SHORT)}])[0].status)\n"
    (here / "script.py").write_text(script)
    out, err = warm.start(["script.py"], here).communicate()
    assert out.endswith("completed\n"), out + err


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_processes_of_a_sweep_ends_it_in_good_order(
    signum: signal.Signals, warm: Warm, here: Path
) -> None:
    words = ["-m", "trainer", "-m", *LONG, "epochs=4000", "seed=0,1"]
    process: Running | subprocess.Popen[str]
    if signum == signal.SIGINT:  # one whose workers are still at their imports
        process = start(words[2:], here, start_new_session=True)
    else:
        process = warm.start(words, here, session=True)
    try:
        wait_for(lambda: any((here / "outputs" / ".sweeps").glob("sweep-*")))
        time.sleep(0.2)
        os.killpg(process.pid, signum)  # as its workers begin
        told = "".join(process.communicate(timeout=PATIENCE_S))
    finally:
        process.kill()
    assert process.wait() == 128 + signum, told
    assert "the sweep was stopped with 2 of 2 jobs to do" in told
    assert "Traceback" not in told
