"""What looks odd is said before a folder is made, and once for a sweep; it changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import TINY, Call, snapshot
from trainer import compose
from trainer.config.compare import decisive_values
from trainer.run.identity import UNRELATED
from trainer.run.linting import Records, found_lr

ODD = ("scheduler=cosine_restarts", "scheduler.t_0=5ep")
RULE = "[cycle_longer_than_run]"


@pytest.mark.slow
def test_it_changes_no_key_and_no_bit(call: Call, here: Path) -> None:
    found = {}
    for word in ("warn", "off"):
        done = call(*TINY, *ODD, f"lint={word}", f"hydra.run.dir={word}")
        assert (RULE in done.out) == (word == "warn")
        summary = json.loads((here / word / "summary.json").read_text())
        found[word] = (summary["key"], summary["weights_sha256"])
    assert found["warn"] == found["off"]
    assert RULE in (here / "warn" / "run.log").read_text()
    assert "lint" not in decisive_values(compose(*TINY, "lint=error"), UNRELATED)


@pytest.mark.slow
def test_an_error_leaves_nothing(call: Call, here: Path) -> None:
    done = call(*TINY, *ODD, "lint=error")
    assert done.code == 2
    assert RULE in done.err
    assert done.err.startswith("error: lint=error refuses")
    assert snapshot(here) == {}
    unknown = call(*TINY, "lint=loud")
    assert unknown.code == 2
    assert "lint" in unknown.err


@pytest.mark.slow
def test_a_run_that_goes_on_says_nothing_again(call: Call, here: Path) -> None:
    assert call(*TINY, *ODD, "hydra.run.dir=run").code == 0
    done = call("resume=run", "lint=error")
    assert done.code == 0, done.err
    assert RULE not in done.out


def record(place: Path, lr: float, *overrides: str) -> None:
    """Leave what a sweep over the learning rate leaves."""
    import yaml

    place.mkdir(parents=True)
    config = compose(*TINY, "task=lr_range", *overrides).plain()
    (place / "config.yaml").write_text(yaml.safe_dump(config))
    (place / "lr_range.csv").write_text("step,lr,loss,smoothed")
    (place / "summary.json").write_text(json.dumps({"lr_range": {"suggestion": lr}}))


@pytest.mark.slow
def test_the_rate_that_was_found_last_for_the_same_is_taken(here: Path) -> None:
    outputs = here / "outputs" / "default"
    record(outputs / "2026-01-01_a", 0.3)
    record(outputs / "2026-01-02_b", 0.2, "optim.lr=0.7", "seed=4", "epochs=9")
    for number, other in enumerate(("batch_size=8", "model.hidden=[9]", "optim.momentum=0.5")):
        record(outputs / f"2026-01-03_{number}", 0.1, other)
    damaged = outputs / "2026-01-04_d"
    record(damaged, 0.1)
    (damaged / "config.yaml").write_text("a: [")
    found = found_lr(compose(*TINY, "optim.lr=5"), Records())
    assert found is not None
    assert (found[0], found[1].name) == (0.2, "2026-01-02_b")
    assert found_lr(compose(*TINY, "optim=adam"), Records()) is None


@pytest.mark.slow
def test_a_rate_far_from_what_was_found_is_said(call: Call, here: Path) -> None:
    record(here / "outputs" / "default" / "a", 0.02)
    assert "25 times above the 0.02" in call(*TINY, "optim.lr=0.5", "hydra.run.dir=run").out


@pytest.mark.slow
def test_a_sweep_says_a_finding_once_with_its_jobs(call: Call, here: Path) -> None:
    lines = ("-m", *TINY, "data.val=20%", "scheduler=cosine_restarts", "seed=0,1")
    swept = (*lines, "scheduler.t_0=1ep,5ep", "hydra.launcher.workers=1")
    refused = call(*swept, "lint=error")
    assert refused.code == 2
    assert "(2 of 4 jobs)" in refused.err
    assert snapshot(here) == {}
    done = call(*swept)
    assert done.code == 0, done.err
    (line,) = [line for line in done.out.splitlines() if RULE in line]
    assert "(2 of 4 jobs)" in line
    again = call(*swept)  # every job is finished: nothing starts
    assert RULE not in again.out
