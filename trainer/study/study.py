"""A study: a question, arms or a grid, and how much of it is run."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.composition.compose import compose_overrides, parsed
from trainer.composition.overrides import parse_override
from trainer.composition.search_path import SEAMS, Sources, load_plugins
from trainer.core.command import command_line
from trainer.core.convert import typed
from trainer.core.errors import ConfigError, unknown
from trainer.core.yaml_files import read_yaml
from trainer.sweep.expand import Search, expand

if TYPE_CHECKING:
    from trainer.config.run_config import RunConfig

SCALES = ("minute", "smoke", "cpu", "gpu")
# How each kind of study is run, judged and drawn: a module and its function.
KINDS = {
    "arms": ("trainer.study.arms", "find"),
    "tradeoff": ("trainer.study.grids", "tradeoff"),
    "rates": ("trainer.study.rates", "find"),
    "slice": ("trainer.study.grids", "slice_"),
    "speed": ("trainer.study.timed", "speed"),
    "processes": ("trainer.study.timed", "processes"),
    "stairs": ("trainer.study.stairs", "find"),
    "schedules": ("trainer.study.schedules", "find"),
    "flatness": ("trainer.study.flatness.finding", "find"),
    "precision": ("trainer.study.precision_table.finding", "find"),
}
SEED, LR = "seed", "optim.lr"
OWN = (SEED, "name", "sweep", "report_test")  # a study sets these itself


@dataclass(frozen=True)
class StudyArm:
    """One side of a comparison.

    Attributes:
        label: as pictures and tables name it.
        overrides: what it adds to what all arms share.
        tune: what is tried of each key, as the command line of a sweep has it.
        chosen: of what was tried, where that was chosen before; None where it is still to be.
    """

    label: str
    overrides: tuple[str, ...] = ()
    tune: Mapping[str, str] = field(default_factory=dict)
    chosen: tuple[str, ...] | None = None


@dataclass(frozen=True)
class StudyJob:
    """One run of a study: its arm, the values that were tried for it, its seed, its overrides."""

    arm: str
    values: tuple[str, ...]
    seed: int
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A study at one scale.

    Attributes:
        name: what the command line calls it.
        scale: one of `SCALES`.
        title: of page and picture.
        question: what it asks.
        draw: how it is run, judged and drawn.
        base: overrides that all runs share.
        arms: the first is what the others are compared with.
        claim: label of the arm that the hypothesis is about, decided before any run.
        against: arms that are compared with another than the first, each with the other's label.
        margin: the difference that matters, as a share.
        grid: values by key, all combinations of which are run; instead of arms.
        sweep: a preset of a sweep that holds the grid and its seeds.
        seeds: how many runs of each arm; `stated` is how many were stated before any run.
        first: the first of these seeds.
        trials: draws for each arm from the intervals that it is tuned on.
        tune_seeds: of the runs among which values are chosen.
        where: the command with which an effect is to be expected where there is none here, its
            first arm the baseline; `cost` says on which hardware and in how many hours.
        elsewhere: a larger scale at which it does not show: what `said` of it, `command`, `date`.
        mechanism: what is drawn of how it works, a module of `trainer.study.mechanisms`.
        settings: of studies that are no comparison of arms.
        is_toy: whether no number of it means anything.
        size: overrides of the scale, which win over those of an arm.
        line: the user's, which win over all.
        options: the user's, which set numbers of runs.
        text: what the text says, and what others published.
        config_dir: the user's folder of configurations; `plugins` their modules.
    """

    name: str
    scale: str
    title: str
    question: str
    draw: str = "arms"
    base: tuple[str, ...] = ()
    arms: tuple[StudyArm, ...] = ()
    claim: str = ""
    against: Mapping[str, str] = field(default_factory=dict)
    margin: float = 0.01
    grid: Mapping[str, str] = field(default_factory=dict)
    sweep: str = ""
    seeds: int = 10
    stated: int = 10
    first: int = 0
    trials: int = 12
    tune_seeds: tuple[int, ...] = ()
    where: str = ""
    cost: str = ""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    mechanism: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_toy: bool = False
    size: tuple[str, ...] = ()
    line: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    text: Mapping[str, Any] = field(default_factory=dict)
    config_dir: Path | None = None
    plugins: tuple[str, ...] = ()

    @property
    def reported(self) -> range:
        """The seeds of the runs that are reported."""
        return range(self.first, self.first + self.seeds)

    @property
    def labels(self) -> list[str]:
        """The arms' labels, the baseline's first."""
        return [arm.label for arm in self.arms]

    @functools.cached_property
    def folder(self) -> Path:
        """Where its runs and, if not told otherwise, its files go."""
        preset = (f"+sweep={self.sweep}",) if self.sweep else ()
        words = (*preset, *self.base, *self.last_words)
        return outputs_of(words, self.sources) / f"{self.name}_{self.scale}"

    @property
    def last_words(self) -> tuple[str, ...]:
        """What wins over the overrides of an arm."""
        return (*self.size, *self.line)

    @functools.cached_property
    def sources(self) -> Sources:
        """Where its configurations are looked up."""
        return load_plugins(self.plugins, self.config_dir)

    def arm(self, label: str) -> StudyArm:
        return next(arm for arm in self.arms if arm.label == label)

    def baseline_of(self, label: str) -> str:
        """Return the arm that one is compared with."""
        return self.against.get(label, self.labels[0])

    def tried(self, label: str) -> dict[str, str]:
        """Return what is tried of an arm's keys; what the last words name is not."""
        named = {word.split("=", 1)[0].lstrip("+") for word in self.last_words}
        return {k: v for k, v in self.arm(label).tune.items() if k not in named}

    def chosen(self, label: str) -> tuple[str, ...]:
        """Return the values that were chosen for an arm before."""
        keys = self.tried(label)
        return tuple(w for w in self.arm(label).chosen or () if w.split("=", 1)[0] in keys)

    @property
    def is_tuned(self) -> bool:
        """Whether values were chosen before, or there is nothing to choose."""
        return all(arm.chosen is not None or not arm.tune for arm in self.arms)

    def job(self, label: str, values: Sequence[str], seed: int, *more: str) -> StudyJob:
        """Return a run of an arm with values that were tried for it."""
        words = merged((*self.base, *self.arm(label).overrides, *self.last_words, *values))
        return StudyJob(label, tuple(values), seed, (*self.always, *words, *more, f"seed={seed}"))

    @property
    def always(self) -> tuple[str, ...]:
        """What every run has: one thread, so that the cores share the runs."""
        return (f"name={self.folder.name}", "threads=1")

    def trial_jobs(self) -> list[StudyJob]:
        """Return the runs among which values are chosen."""
        search = Search(
            params={SEED: ",".join(map(str, self.tune_seeds))},
            arms={label: self.tried(label) for label in self.labels},
            trials=self.trials,
        )
        jobs = []
        for found in expand((), search):
            pairs = dict(word.split("=", 1) for word in found.overrides)
            values = tuple(f"{key}={pairs[key]}" for key in self.tried(found.arm))
            jobs.append(self.job(found.arm, values, int(pairs[SEED])))
        return jobs

    def grid_jobs(self, last: Sequence[str] | None = None) -> list[tuple[str, ...]]:
        """Return the overrides of every run of a grid.

        Args:
            last: what replaces values of the grid; the last words by default.
        """
        preset: tuple[str, ...] = (f"+sweep={self.sweep}",) if self.sweep else ()
        params: Mapping[str, Any] = {SEED: ",".join(map(str, self.reported)), **self.grid}
        if self.sweep:
            file = self.sources.file(f"sweep/{self.sweep}")
            if file is None:
                raise unknown("sweep", self.sweep, self.sources.options("sweep"))
            sweeper = (read_yaml(file).get("hydra") or {}).get("sweeper") or {}
            params = sweeper.get("params") or {}
        words = merged((*self.base, *(self.last_words if last is None else last)))
        jobs = expand(words, Search(params={k: typed(v) for k, v in params.items()}))
        return [(*preset, *self.always, *job.overrides) for job in jobs]

    def compose(self, *overrides: str) -> RunConfig:
        """Return the configuration that overrides mean."""
        from trainer.api import compose

        return compose(*overrides, config_dir=self.config_dir, plugins=self.plugins)

    def command(self) -> str:
        """Return the line that does the same again."""
        options = list(self.options)
        if self.config_dir is not None:
            options += ["--config-dir", str(self.config_dir)]
        if self.plugins:
            options += ["--plugins", ",".join(self.plugins)]
        scale = () if self.scale == "minute" else ("--scale", self.scale)
        name = ("demo" if self.scale == "minute" else "study", self.name, *scale)
        return command_line(*name, *shown_overrides(self.line), *options)


def outputs_of(overrides: Iterable[str], sources: Sources | None = None) -> Path:
    """Return the folder of all results: what words name, or a preset among them, or what the
    configuration has by default."""
    kept = []
    for text in overrides:
        word = parse_override(text)
        is_preset = word.prefix == "+" and word.key not in SEAMS and "." not in word.key
        if is_preset or word.key == "outputs":
            kept.append(text)
    named = compose_overrides(kept, sources).values()["outputs"]
    return Path(os.path.expanduser(str(named)))


def shown_overrides(overrides: Sequence[str]) -> tuple[str, ...]:
    """Return words as a page shows them: a place on this machine says nothing elsewhere."""
    places = ("data.root", "outputs")
    return tuple(f"{key}=DIR" if (key := w.split("=", 1)[0]) in places else w for w in overrides)


def merged(overrides: Iterable[str]) -> tuple[str, ...]:
    """Return words of which the last of each key is left, where the first of it stood. As in a
    preset, what was set for a choice goes with it where another one replaces it."""
    found: dict[str, str] = {}
    for word in overrides:
        key = word.split("=", 1)[0]
        if found.get(key, word) != word:
            found = {k: w for k, w in found.items() if not k.startswith(f"{key}.")}
        found[key] = word
    return tuple(found.values())


def changed(
    study: Study,
    line: Sequence[str] = (),
    seeds: int | None = None,
    trials: int | None = None,
    first: int | None = None,
) -> Study:
    """Return a study with words added to every run, and with other numbers of runs.

    Raises:
        ConfigError: if there would be fewer than two seeds, a word is the study's own, or a number
            can have no effect.
    """
    for option, number in (("--seeds", seeds), ("--first-seed", first)):
        if number is not None and study.draw in ("schedules", "flatness", "precision"):
            raise ConfigError(
                f"{option}: {study.name} is not run over seeds at the scale {study.scale}"
            )
        if number is not None and study.sweep:
            raise ConfigError(
                f"{option}: +sweep={study.sweep} has the seeds of {study.name}; others are words, "
                "as in seed=0,1,2"
            )
    if first is not None and first < 0:
        raise ConfigError(f"--first-seed must be 0 or more, got {first}")
    if trials is not None and (study.is_tuned or study.draw == "rates"):
        raise ConfigError(f"--trials: {study.name} draws nothing at the scale {study.scale}")
    if seeds is not None and seeds < 2:
        raise ConfigError(f"--seeds must be 2 or more, or there is no interval; got {seeds}")
    if trials is not None and trials < 1:
        raise ConfigError(f"--trials must be 1 or more, got {trials}")
    for word in line if not study.sweep else ():
        key = word.split("=", 1)[0].lstrip("+")
        if key in OWN:
            raise ConfigError(f"{word}: {key} is the study's own")
    given = {"--seeds": seeds, "--first-seed": first, "--trials": trials}
    return replace(
        study,
        line=merged((*study.line, *line)),
        options=tuple(t for k, n in given.items() if n is not None for t in (k, str(n))),
        seeds=study.seeds if seeds is None else seeds,
        first=study.first if first is None else first,
        trials=study.trials if trials is None else trials,
    )


def check_scale(scale: str) -> None:
    """Raise ConfigError if this machine cannot do a scale at all."""
    if scale != "gpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise ConfigError("--scale gpu needs a CUDA GPU, and there is none; --scale cpu does not")


Range = tuple[float, float, bool]


def ranges(study: Study, label: str) -> dict[str, Range]:
    """Return from where to where an arm's keys are drawn, and whether evenly on the logarithm."""
    found = {}
    for key, value in study.tried(label).items():
        override = parsed(parse_override(f"{key}={value}"))
        if override.is_interval_sweep():
            one: Any = override.value()
            found[key] = (float(one.start), float(one.end), "log" in one.tags)
    return found
