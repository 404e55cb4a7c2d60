"""What a sweep's command line asks for: the overrides of every job, checked before anything starts.
Imports no torch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.composition.check_overrides import UnknownKey, check_hydra_override, owners_of
from trainer.composition.compose import DEFAULT_DIR, Composer, parsed, resolved, set_value
from trainer.composition.overrides import Override, as_typed, canonical, parse_override, quoted
from trainer.composition.tree import Tree, copied
from trainer.core.command import sweep_line
from trainer.core.convert import build
from trainer.core.errors import ConfigError
from trainer.core.units import Seconds
from trainer.record.sweep_file import JobOverrides
from trainer.sweep.expand import Search, expand

OURS = "trainer"  # the name of this program's sweeper and launcher among Hydra's


@dataclass(frozen=True)
class Launcher:
    """How this program's own launcher shares the jobs out.

    Attributes:
        workers: processes at once, None for one per GPU, or as many as the cores have room for.
        timeout: a job without any progress for so long is taken to hang.
    """

    workers: int | None = None
    timeout: Seconds = Seconds(600.0)

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"hydra.launcher.workers must be at least 1, got {self.workers}")


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep's command line asks for.

    Attributes:
        jobs: the overrides of each.
        launcher: how they are shared out.
        folder: of the sweep, None for a new one under `outputs`.
        hydra: settings of Hydra's own launcher, which is named among them; empty for ours.
    """

    jobs: tuple[JobOverrides, ...]
    launcher: Launcher
    folder: str | None
    hydra: tuple[str, ...] = ()


@dataclass(frozen=True)
class SweepLine:
    """A sweep's command line, to be written anew: overrides of its jobs, settings of Hydra's."""

    overrides: tuple[Override, ...]
    settings: tuple[str, ...] = ()


def overrides_of(texts: Sequence[str]) -> tuple[list[Override], list[Override]]:
    """Return the overrides of a sweep's line under their canonical names: those of its jobs, and
    settings of Hydra's."""
    words = canonical([parse_override(text) for text in texts], is_sweep=True)
    overrides = [quoted(override, is_sweep=True) for override in words]
    of_hydra = [override for override in overrides if override.key.startswith("hydra")]
    return [override for override in overrides if override not in of_hydra], of_hydra


def named(part: str, settings: Sequence[Override]) -> str:
    """Return which of Hydra's sweepers or launchers a line names, `trainer` for ours."""
    return next((w.value for w in reversed(settings) if w.key == f"hydra/{part}"), OURS)


def plan_sweep(texts: Sequence[str], composer: Composer) -> SweepPlan:
    """Return what a sweep's command line asks for.

    Raises:
        ConfigError: for a setting or key that does not exist, and where no job is valid.
    """
    overrides, settings = overrides_of(texts)
    launcher = named("launcher", settings)
    is_ours = launcher == OURS
    settings = [w for w in settings if (w.key, w.value) not in OUR_PARTS]
    for override in settings:
        check_hydra_override(override, is_sweep=True, is_ours=is_ours)
    fixed = tuple(w for w in overrides if composer.is_choice(w) and not is_swept(w))
    own = [w for w in settings if is_ours or not w.key.startswith(("hydra/", "hydra.launcher"))]
    values = [w for w in overrides if not composer.is_choice(w) and not is_swept(w)]
    tree = composer.tree_with(fixed, [*values, *map(literal, own)])
    node = tree["hydra"]
    search = build(Search, node.get("sweeper") or {}, "hydra.sweeper")
    place = resolved(tree, "hydra.sweep.dir")
    jobs = expand([str(w) for w in overrides], search, composer.files)
    check_jobs(jobs, SweepLine(tuple(overrides), tuple(map(str, settings))), composer)
    return SweepPlan(
        tuple(jobs),
        build(Launcher, node.get("launcher") or {}, "hydra.launcher") if is_ours else Launcher(),
        None if place == DEFAULT_DIR else place,
        () if is_ours else tuple(str(w) for w in settings if w.key != "hydra.sweep.dir"),
    )


def check_for_hydra(texts: Sequence[str], composer: Composer) -> tuple[list[str], Tree]:
    """Return the overrides of a line that names another sweeper of Hydra's, checked as far as its
    jobs can be known, and the configuration that is all theirs.

    Raises:
        ConfigError: for a setting, choice or key that does not exist.
    """
    overrides, settings = overrides_of(texts)
    for override in settings:
        check_hydra_override(override, is_sweep=True, is_ours=False)
    if named("launcher", settings) == OURS:
        settings = [w for w in settings if w.key != "hydra/launcher"]
    choices = [str(w) for w in overrides if composer.is_choice(w)]
    values = [w for w in overrides if not composer.is_choice(w)]
    for job in expand(choices, Search(), composer.files):
        base = composer.check(composer.split(job.overrides)[1], values)
    tree: Tree = copied(base.tree)
    for override in values:
        if not is_swept(override):
            set_value(tree, override)
    return [str(w) for w in (*overrides, *settings)], tree


OUR_PARTS = (("hydra/sweeper", OURS), ("hydra/launcher", OURS))


def is_swept(override: Override) -> bool:
    """Return whether an override has several values."""
    return bool(parsed(override).is_sweep_override())


def literal(override: Override) -> Override:
    """Return a setting of Hydra's whose value is one text, where it was several values: those that
    a sweep is over."""
    if not override.key.startswith("hydra.sweeper.") or not is_swept(override):
        return override
    escaped = override.value.replace('"', '\\"')
    return Override(override.prefix, override.key, f'"{escaped}"')


def check_jobs(jobs: Sequence[JobOverrides], line: SweepLine, composer: Composer) -> None:
    """Raise ConfigError for a key that the parts of some job do not have, and where the choices or
    keys of every job are wrong."""
    errors: list[str] = []
    for job in jobs:
        _, choices, values = composer.split(job.overrides)
        try:
            composer.check(choices, values)
        except UnknownKey as error:
            raise refused(error, job, jobs, line, composer) from error
        except ConfigError as error:
            errors.append(str(error))
    if len(errors) == len(jobs):
        raise ConfigError("\n".join(dict.fromkeys(errors)))


def refused(
    error: UnknownKey,
    job: JobOverrides,
    jobs: Sequence[JobOverrides],
    line: SweepLine,
    composer: Composer,
) -> ConfigError:
    """Return the error for a key that a job's parts do not have: the same as for a single run
    where no job's do, else which choice lacks the key and how arms are written."""
    key, group = error.key, error.key.split(".")[0]
    of_jobs = [(job, composer.split(job.overrides)[1]) for job in jobs]
    having = [job for job, choices in of_jobs if composer.knows(choices, key)]
    owners = owners_of(key, composer.files)
    if not having or not owners:
        return error
    lacking = composer.base(composer.split(job.overrides)[1]).choices[group]
    has = "has" if len(owners) == 1 else "have"
    arm = f" (of the arm '{job.arm}')" if job.arm else ""
    message = f"{group}={lacking}{arm} has no {key}; {group}={', '.join(owners)} {has} it. "
    if job.arm:
        return UnknownKey(f"{message}Write {key} in the arms that have it.", key)
    example = arms_line(key, line, jobs, composer)
    return UnknownKey(
        f"{message}Where only some choices have a key, write an arm for each choice, with the keys "
        f"of its own{example}",
        key,
    )


def arms_line(key: str, line: SweepLine, jobs: Sequence[JobOverrides], composer: Composer) -> str:
    """Return a command line that sweeps with an arm for each value of the choice that a key depends
    on, as the end of a sentence."""
    group = key.split(".")[0]
    swept = [w for w in line.overrides if composer.is_choice(w) and is_swept(w)]
    choice = next((w for w in swept if w.key == group), swept[0] if swept else None)
    if choice is None or not any(w.key == key for w in line.overrides):
        return ", under hydra.sweeper.arms of the preset."
    parts = {value_of(job, choice.key): composer.split(job.overrides)[1] for job in jobs}
    own = [
        w
        for w in line.overrides
        if w.key.startswith(f"{group}.")
        and not all(composer.knows(c, w.key) for c in parts.values())
    ]
    arms = []
    for value, choices in parts.items():
        pairs = [f"{choice.prefix}{choice.key}: {in_braces(value)}"]
        pairs += [f"{w.key}: {in_braces(w.value)}" for w in own if composer.knows(choices, w.key)]
        label = re.sub(r"\W+", "_", value).strip("_")
        arms.append(f"{label}: {{{', '.join(pairs)}}}")
    rest = [
        str(as_typed(w, is_sweep=True)) for w in line.overrides if w is not choice and w not in own
    ]
    setting = f"hydra.sweeper.arms={{{', '.join(arms)}}}"
    return f":\n  {sweep_line('-m', *line.settings, *rest, setting)}"


def value_of(job: JobOverrides, key: str) -> str:
    """Return what a job's overrides say of a key."""
    pairs = (override.split("=", 1) for override in job.overrides)
    return next((value for name, value in pairs if name.lstrip("+") == key), "")


def in_braces(value: str) -> str:
    """Return a value as it is written within a mapping of Hydra's grammar."""
    if re.fullmatch(r"[\w.+%/-]+|\[[\w.,%-]*\]", value):
        return value
    escaped = value.replace('"', '\\"')
    return f'"{escaped}"'
