"""`max_time`: the schedule ends when the time does, on every rank at the same step, and again at
the same step in a repeat."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.command import TINY, Call, Outcome
from tests.training import assembled
from tests.warm import Warm
from trainer.api import compose
from trainer.config.run_config import RunConfig
from trainer.core.clock import Clock
from trainer.core.environment import World
from trainer.core.time_plan import UNPLANNED, TimePlan
from trainer.core.yaml_files import read_yaml
from trainer.loop import Pause, fit
from trainer.run.context import Times
from trainer.run.time_budget import Repeated, TimeBudget
from trainer.scheduler import Schedule
from trainer.strategy.base import Single

TIMED = tuple(word for word in TINY if not word.startswith("epochs"))  # four steps an epoch
# whatever depends on the run's length
ALL = (
    *("scheduler=cosine", "scheduler.warmup=10%", "average=swa", "average.start=50%"),
    *("mix=mixup", "mix.stop=80%", "average.eval_every=20%"),
    "optim.groups=[{match:bias,scheduler:cosine},{match:first,freeze_after:60%}]",
)
SECOND = (*TIMED, "max_time=1s", "report_test=false")


@dataclass
class Clockwork:
    """A run that takes as many seconds as it is told to, and nothing else."""

    step_s: list[float]
    eval_s: list[float]
    per_epoch: int
    state: Any = field(default_factory=lambda: SimpleNamespace(step=0))
    total: int = UNPLANNED
    now: float = 0.0
    strategy: Single = field(default_factory=lambda: Single(World()))

    def __post_init__(self) -> None:
        self.data = SimpleNamespace(steps_per_epoch=self.per_epoch, num_val=10, epoch_images=100)
        self.shares: list[float] = []
        self.evals = 0

    def __call__(self, total: int) -> None:  # as `Refit`
        self.total = total

    def seconds_now(self) -> float:
        return self.now

    def fit(self, planner: Any) -> None:
        """Go to the end as `loop.fit` does."""
        planner(self)
        while self.state.step < self.total:
            while True:
                self.now += self.step_s[self.state.step % len(self.step_s)]
                self.state.step += 1
                planner(self)
                assert self.state.step <= self.total
                self.shares.append(self.state.step / self.total)
                if self.state.step % self.per_epoch == 0 or self.state.step == self.total:
                    break
            self.now += self.eval_s[self.evals % len(self.eval_s)]
            self.evals += 1
            planner(self)


PACES = st.lists(st.floats(0.001, 3.0), min_size=1, max_size=12)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(PACES, PACES, st.integers(1, 40), st.floats(1.0, 120.0))
def test_whatever_steps_take_progress_never_goes_back_and_a_repeat_is_the_same(
    step_s: list[float], eval_s: list[float], per_epoch: int, budget_s: float
) -> None:
    run = Clockwork(step_s, eval_s, per_epoch)
    planner = TimeBudget(budget_s, run, lambda: run.now)  # type: ignore[arg-type]
    run.fit(planner)
    # what the next evaluation, step and evaluation take is known only from those before
    assert run.now <= budget_s + 2 * max(step_s) + 2 * max(eval_s)
    assert run.shares == sorted(run.shares)
    assert run.state.step == run.total
    again = Clockwork(step_s, eval_s, per_epoch)
    if planner.marks:
        again.fit(Repeated(TimePlan.parse(str(TimePlan(tuple(planner.marks))), "x"), again))
        assert again.total == run.total
        # where time is over after an evaluation, the repeat knows it before
        assert again.shares[:-1] == run.shares[:-1]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 1.0), st.floats(0.0, 9.0), st.integers(1, 300), st.floats(1.0, 90.0))
def test_at_a_steady_pace_the_run_is_over_by_one_evaluation_at_most(
    step_s: float, eval_s: float, per_epoch: int, budget_s: float
) -> None:
    run = Clockwork([step_s], [eval_s], per_epoch)
    run.fit(TimeBudget(budget_s, run, lambda: run.now))  # type: ignore[arg-type]
    assert run.now <= budget_s + eval_s + 1e-6


@pytest.mark.parametrize("per_epoch", [1, 7, 50, 5000])
@pytest.mark.parametrize("eval_s", [0.0, 0.1, 2.0])
def test_at_a_steady_pace_the_time_is_used_and_the_schedule_ends(
    per_epoch: int, eval_s: float
) -> None:
    run = Clockwork([0.05], [eval_s], per_epoch)
    planner = TimeBudget(60.0, run, lambda: run.now)  # type: ignore[arg-type]
    run.fit(planner)
    assert run.now <= 60.0
    guess_s = 10 / 100 * 5000 * 0.05 / 3  # of an evaluation, where none came before the end
    assert run.now >= 60 * 0.94 - (guess_s if per_epoch == 5000 else eval_s) - 0.05
    assert planner.fixed_at is not None
    assert not planner.is_cut
    assert run.shares[-1] == 1.0


@pytest.mark.slow
def test_the_first_step_may_be_slow_and_a_neighbour_may_leave_or_come() -> None:
    quick = [0.02] * 5000
    for name, step_s, least in (
        ("slow first step", [5.0, *quick], 55.0),
        ("neighbour leaves", [0.06] * 250 + quick, 55.0),  # after a quarter of the time
        ("neighbour comes", [0.02] * 600 + [0.06] * 4000, 55.0),  # after a fifth
    ):
        run = Clockwork(step_s, [0.1], 100)
        planner = TimeBudget(60.0, run, lambda run=run: run.now)  # type: ignore[misc]
        run.fit(planner)
        assert least <= run.now <= 60.0, name
        assert not planner.is_cut, name


def test_a_neighbour_that_comes_late_ends_the_run_when_its_time_is_over() -> None:
    run = Clockwork([0.02] * 1900 + [0.06] * 3000, [0.1], 100)
    planner = TimeBudget(60.0, run, lambda: run.now)  # type: ignore[arg-type]
    run.fit(planner)
    assert planner.is_cut
    assert 59.0 < run.now <= 60.2
    facts = planner.facts()
    assert facts is not None
    assert facts["total"] == run.state.step


def test_once_half_of_the_time_is_gone_the_total_is_fixed() -> None:
    run = Clockwork([0.02, 0.03, 0.025, 0.01], [0.1], 50)
    planner = TimeBudget(60.0, run, lambda: run.now)  # type: ignore[arg-type]
    run.fit(planner)
    assert planner.fixed_at == planner.marks[-1][0]
    spent = dict(zip(range(1, 9999), run.shares, strict=False))[planner.fixed_at]
    assert 0.45 < spent < 0.62  # of the run


def test_the_first_step_after_a_resumption_says_nothing_of_the_pace() -> None:
    whole = Clockwork([0.05], [0.1], 100)
    planner = TimeBudget(60.0, whole, lambda: whole.now)  # type: ignore[arg-type]
    planner(whole)  # type: ignore[arg-type]
    for _ in range(300):
        whole.now += 0.05
        whole.state.step += 1
        planner(whole)  # type: ignore[arg-type]
    slow = [0.05] * 300 + [5.0] + [0.05] * 2000
    run = Clockwork(slow, [0.1], 100, SimpleNamespace(step=300), whole.total)
    resumed = TimeBudget(60.0, run, lambda: run.now)  # type: ignore[arg-type]
    resumed.load_state_dict(json.loads(json.dumps(planner.state_dict())))
    run.fit(resumed)
    assert 55.0 < resumed.spent_s <= 60.0
    assert not resumed.is_cut


def planned(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return found


def done(outcome: Outcome) -> None:
    assert outcome.code == 0, outcome.err


def rate_of(config: RunConfig, step: int, total: int) -> float:
    """Return the learning rate of a step of a run whose length was known from the start."""
    times = Times(total=total, steps_per_epoch=4)
    peak = config.optim.shared.peak(config.batch_size)
    scale = Schedule(config.scheduler, peak=peak, **times)(Clock(step, **times)).lr_scale
    return peak * scale


@pytest.mark.slow
def test_a_repeat_takes_the_recorded_plan_and_gives_the_same_bits(call: Call, here: Path) -> None:
    done(call(*SECOND, *ALL, "hydra.run.dir=first"))
    first = planned(here / "first")
    assert first["status"] == "completed"
    assert first["planned"]["seconds"] > 0.5
    done(call("repeat=first", "hydra.run.dir=second"))
    second = planned(here / "second")
    assert second["weights_sha256"] == first["weights_sha256"]
    assert second["steps"] == first["steps"]
    assert "planned" not in second
    config = read_yaml(here / "second" / "config.yaml")
    assert (config["max_time"], config["time_plan"]) == (None, first["planned"]["time_plan"])
    rows = [
        [json.loads(line)["lr"] for line in (here / n / "metrics.jsonl").read_text().splitlines()]
        for n in ("first", "second")
    ]
    assert rows[0] == rows[1]
    plan, last = first["planned"], first["steps"] - 1
    planned_rate = rate_of(compose(*SECOND, *ALL), last, plan["total"])
    assert rows[0][-1] == planned_rate or plan["is_cut"]
    refused = call("repeat=first", "epochs=3")
    assert refused.code == 2
    assert "epochs=3 has no effect with time_plan" in refused.err
    (here / "first" / "summary.json").unlink()
    lost = call("repeat=first", "hydra.run.dir=third")
    assert lost.code == 4
    assert "has no plan to repeat" in lost.err


@pytest.mark.slow
def test_a_resumed_run_has_the_time_that_was_left(call: Call, here: Path) -> None:
    words = (*SECOND, *ALL, "checkpoint.every=25st", "checkpoint.keep=all", "hydra.run.dir=run")
    done(call(*words))
    whole = planned(here / "run")
    fixed_at = whole["planned"]["fixed_at"]
    assert fixed_at is not None
    folders = sorted((here / "run" / "checkpoints").iterdir())
    steps = [int(folder.name[5:]) for folder in folders]
    late = min(step for step in steps if step >= fixed_at)
    early = min(steps)
    for name, last in (("late", late), ("early", early)):
        shutil.copytree(here / "run", here / name)
        (here / name / "summary.json").unlink()
        for folder in (here / name / "checkpoints").iterdir():
            if int(folder.name[5:]) > last:
                shutil.rmtree(folder)
        done(call(f"resume={name}"))
        ended = planned(here / name)
        before = [m for m in whole["planned"]["time_plan"].split() if int(m.split(":")[0]) < last]
        assert ended["planned"]["time_plan"].split()[: len(before)] == before
        if name == "late" and not whole["planned"]["is_cut"] and not ended["planned"]["is_cut"]:
            assert ended["weights_sha256"] == whole["weights_sha256"]
            assert ended["steps"] == whole["steps"]


@pytest.mark.slow
def test_two_processes_agree_on_every_total(warm: Warm, here: Path) -> None:
    words = ("--standalone", "--nproc-per-node", "2", "-m", "trainer", *TIMED, *ALL)
    extra = ("max_time=2s", "report_test=false", "hydra.run.dir=two", "--json")
    running = warm.torchrun([*words, *extra], here)
    out, err = running.communicate()
    assert running.returncode == 0, err
    (last,) = [line for line in out.splitlines() if line.startswith("{")]
    assert out.rstrip().endswith(last)
    assert json.loads(last)["planned"]["fixed_at"] is not None
    assert planned(here / "two")["world_size"] == 2


@pytest.mark.slow
def test_a_sweep_never_takes_such_a_run_for_another_ones_result(call: Call, here: Path) -> None:
    for name in ("one", "two"):
        words = (*SECOND, "seed=0", f"hydra.sweep.dir=outputs/{name}", "hydra.launcher.workers=1")
        ended = call("-m", *words, "--json")
        done(ended)
        assert json.loads(ended.out.splitlines()[-1])["results"] == 1
        assert "reused" not in ended.out
    assert not (here / "outputs" / "two" / "0").is_symlink()
    keys = {planned(here / "outputs" / name / "0")["key"] for name in ("one", "two")}
    plans = {planned(here / "outputs" / n / "0")["planned"]["time_plan"] for n in ("one", "two")}
    assert len(keys) == len(plans)  # the plan is part of the key


REFUSED = {
    "max_time=5": "needs a unit: write max_time=5s",
    "max_time=0.5s": "from 1s to a year",
    "max_time=5s epochs=3": "epochs=3 has no effect with max_time=5s",
    "max_time=5s max_steps=3": "both say when the run ends",
    "max_time=5s task=plan": "is for task=train",
    "max_time=5s task=lr_range": "is for task=train",
    "max_time=5s scheduler=torch": "choose a schedule that follows the run's length",
    "max_time=5s optim.groups=[{match:bias,scheduler:{name:torch,lr_scheduler:LinearLR}}]": (
        "choose a schedule that follows the run's length"
    ),
    "max_time=5s time_plan=4:8": "set one of them to null",
    "time_plan=4:8 max_steps=3": "both say when the run ends",
    "time_plan=8:4": "is what a run with max_time recorded",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_does_not_go_together_is_refused(call: Call, here: Path, line: str) -> None:
    refused = call(*TIMED, *line.split())
    assert refused.code == 2, refused.err
    assert REFUSED[line] in refused.err
    assert list(here.iterdir()) == []


def test_a_duration_in_epochs_is_told_and_kept_where_there_is_no_room(
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = (*TIMED, "time_plan=4:8", "scheduler=cosine", "scheduler.warmup=3ep")
    with assembled(*words) as run:
        lrs = []
        for event in fit(run, pause=lambda clock: True):
            if isinstance(event, Pause):
                lrs.append(float(run.optimizer.param_groups[0]["lr"]))
        assert run.state.step == 8
        assert lrs == sorted(lrs)  # warming up to the end
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert "8 steps are planned" in said[0]
    assert "scheduler.warmup=3ep is 12 steps" in said[0]
