"""What a rule is, what it is given, and how all of them are asked."""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from trainer.average import SnapshotPlan
from trainer.config.run_config import RunConfig
from trainer.core.clock import Clock
from trainer.scheduler import Schedule


@dataclass(frozen=True)
class LintContext:
    """What a rule is given: the configuration of a run and what its images make of it.

    Attributes:
        config: of the run.
        num_train: training images.
        num_val: validation images.
        image_shape: (C, H, W).
        clock: of the run's first step: its total, and steps per epoch.
        world_size: processes.
        swept: keys whose values differ between the jobs of a sweep, but for the seed; empty for a
            single run.
        ask_bf16_gain: returns how many times as fast as fp32 bf16 was here, None where nobody
            measured it.
        ask_found_lr: returns the learning rate that `task=lr_range` found last for this
            configuration, and the folder of that run; None where nobody asked.
    """

    config: RunConfig
    num_train: int
    num_val: int
    image_shape: tuple[int, int, int]
    clock: Clock
    world_size: int = 1
    swept: tuple[str, ...] = ()
    ask_bf16_gain: Callable[[], float | None] = field(default=lambda: None)
    ask_found_lr: Callable[[], tuple[float, Path] | None] = field(default=lambda: None)

    @functools.cached_property
    def peak(self) -> float:
        """Learning rate at the schedule's peak."""
        return self.config.optim.shared.peak(self.config.batch_size)

    @functools.cached_property
    def schedule(self) -> Schedule:
        """The schedule of the run, which has observed nothing yet."""
        config, clock = self.config, self.clock
        return Schedule(
            config.scheduler,
            peak=self.peak,
            total=clock.total,
            steps_per_epoch=clock.steps_per_epoch,
        )

    @functools.cached_property
    def snapshots(self) -> SnapshotPlan | None:
        """When weights are averaged; None where they are not."""
        average = self.config.average
        if average.name == "none":
            return None
        return average.component.plan(average.shared, self.clock)

    @property
    def num_snapshots(self) -> int:
        """Number of weights that are averaged."""
        plan = self.snapshots
        return 0 if plan is None else 1 + (self.clock.total - plan.first) // plan.every

    def steps_after_warmup(self) -> int:
        """Return the steps of the run that come after its warm-up."""
        return self.clock.total - self.schedule.warmup


Rule = Callable[[LintContext], str | None]

log = logging.getLogger("trainer")

RULES: dict[str, Rule] = {}


def rule(function: Rule) -> Rule:
    """Register a rule under its function's name.

    A rule returns one line, what is odd and how it is mended, or None. Its docstring says in its
    first line what it finds, then why that hurts, and after `Source:` where that is known from.
    """
    name = function.__name__
    known = RULES.get(name)
    if known is not None and known.__module__ != function.__module__:
        raise ValueError(f"the rule {name} is registered by {known.__module__} already")
    RULES[name] = function
    return function


def check(context: LintContext) -> dict[str, str]:
    """Return what the rules find: a line for each that fires, by the rule's name.

    A rule only looks on: one that fails is named in a warning, and nothing else comes of it.
    """
    load()
    found = {}
    for name, function in RULES.items():
        try:
            line = function(context)
        except Exception as error:  # code of anybody's
            log.warning(f"the rule {name} of the linter failed: {type(error).__name__}: {error}")
            continue
        if line:
            found[name] = line
    return found


@functools.cache
def load() -> None:
    """Import the modules that hold the rules of the project."""
    package = importlib.import_module("trainer.lint")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "base":
            importlib.import_module(f"trainer.lint.{module.name}")


@dataclass(frozen=True)
class Described:
    """What a rule's docstring says of it."""

    name: str
    finds: str
    why: str
    source: str


def described() -> list[Described]:
    """Return what the docstrings of all rules say."""
    load()
    return [describe(name, function) for name, function in RULES.items()]


def describe(name: str, function: Rule) -> Described:
    """Return what a rule's docstring says; raise ValueError where it lacks a part."""
    text = inspect.getdoc(function) or ""
    body, _, source = text.partition("Source:")
    finds, _, why = body.strip().partition("\n\n")
    parts = [" ".join(part.split()) for part in (finds, why, source)]
    if not all(parts):
        raise ValueError(f"the rule {name} must say what it finds, why that hurts, and its source")
    return Described(name, *parts)
