"""The guide to schedules: its picture shows every one, its commands are understood."""

from __future__ import annotations

import re
import shlex

import pytest

from scripts.draw_schedules import PANELS
from tests.command import ROOT
from trainer import compose
from trainer.core.clock import Clock
from trainer.scheduler.base import SCHEDULERS, Schedule
from trainer.study.schedules import trace

GUIDE = (ROOT / "docs" / "reference" / "schedulers.md").read_text()
LINES = re.findall(r"^python -m trainer (scheduler=.*)$", GUIDE, re.MULTILINE)


def test_every_schedule_has_a_panel_and_a_formula() -> None:
    named = dict.fromkeys(overrides.split()[0] for overrides in PANELS)
    assert list(named) == [f"scheduler={name}" for name in SCHEDULERS.names()]
    for name in SCHEDULERS.names():
        assert f"| `{name}` |" in GUIDE


def test_the_panel_of_a_plateau_falls_when_its_loss_stops_falling() -> None:
    factors = [point.lr_scale for point in trace("scheduler=plateau")]
    assert len(factors) == 400
    assert factors[0] == 1.0
    assert factors == sorted(factors, reverse=True)
    assert len(set(factors)) >= 3


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_guide_gives_a_schedule(line: str) -> None:
    config = compose(*shlex.split(line, comments=True))
    total = round(config.epochs * 21)
    schedule = Schedule(
        config.scheduler, peak=config.optim.shared.lr, total=total, steps_per_epoch=21
    )
    factors = [schedule(Clock(step, total, 21)).lr_scale for step in range(total)]
    assert 0.0 < max(factors) <= 1.0 + 1e-9
    assert min(factors) >= 0.0


def test_the_guide_has_commands() -> None:
    assert len(LINES) >= 8
