"""How each kind of demonstration is run, judged and drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trainer.analysis.compare import Arm
from trainer.core.errors import unknown
from trainer.study.demos import heat, pictures, processes, speed, tradeoff, verdict
from trainer.study.demos.pictures import Shown
from trainer.study.demos.runs import run_arms
from trainer.study.demos.spec import Demo


class Running(Protocol):
    """Carries the runs of a demonstration out, prints a line for each, and returns its arms."""

    def __call__(
        self, demo: Demo, folder: Path, seeds: Sequence[int], *, quiet: bool
    ) -> list[Arm]: ...


@dataclass(frozen=True)
class Kind:
    """A kind of demonstration.

    Attributes:
        run: carries its runs out.
        show: judges and draws what they recorded; the last argument is the line of facts.
    """

    run: Running
    show: Callable[[Demo, Sequence[Arm], str], Shown]


def show_arms(demo: Demo, arms: Sequence[Arm], facts: str) -> Shown:
    """Return curves beside final accuracies, the claimed arm against the first."""
    sentence = verdict.sentence(demo, arms)
    figure = pictures.framed(demo.title, sentence, facts, height=max(3.2, 1.0 + 0.62 * len(arms)))
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
    pictures.draw_curves(left, demo, arms)
    pictures.draw_finals(right, demo, arms)
    return Shown(sentence, figure, verdict.table(demo, arms))


KINDS = {
    "arms": Kind(run_arms, show_arms),
    "tradeoff": Kind(run_arms, tradeoff.show),
    "slice": Kind(run_arms, heat.show),
    "speed": Kind(speed.run, speed.show),
    "processes": Kind(processes.run, processes.show),
}


def kind_of(demo: Demo) -> Kind:
    """Return how a demonstration is run and shown; raise ConfigError for an unknown kind."""
    if demo.kind not in KINDS:
        raise unknown("kind", demo.kind, KINDS)
    return KINDS[demo.kind]
