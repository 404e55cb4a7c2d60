"""Rules that set some parameters apart from the others: the key `optim.groups`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Self

from omegaconf import OmegaConf

from trainer.composition.search_path import CONF
from trainer.core.convert import (
    Written,
    build,
    build_choice,
    check_known,
    plain,
    plain_choice,
    shown,
)
from trainer.core.errors import ConfigError, unknown
from trainer.core.registry import Choice
from trainer.core.units import Duration
from trainer.optim._kinds import KINDS
from trainer.scheduler import SCHEDULERS, Scheduler, SchedulerKeys

# Rules with a name: what stands for itself in a list of rules, or alone.
NAMED: dict[str, dict[str, Any]] = {
    # "Bag of Tricks for Image Classification", arXiv:1812.01187: decay for the weights of
    # convolutions and linear layers alone
    "no_bias_decay": {"match": ["bias", "norm", "vector"], "weight_decay": 0.0},
}
SETTINGS = ("lr", "weight_decay", "scheduler", "freeze_after")


@dataclass(frozen=True)
class OwnScheduler(Written):
    """A schedule that belongs to some parameters alone."""

    choice: Choice[SchedulerKeys, Scheduler]

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the schedule written as a name or as a mapping of `name` and keys; keys that are
        not given stand as in `conf/scheduler/<name>.yaml`."""
        values = {"name": value} if isinstance(value, str) else value
        if not isinstance(values, Mapping) or not isinstance(values.get("name"), str):
            raise ConfigError(
                f"{key} must be a name or a mapping with a name, such as "
                f"{{name: cosine, min_lr: 1%}}, got {shown(value)}"
            )
        name = values["name"]
        return cls(build_choice(SCHEDULERS, {**defaults_of(name), **values}, "scheduler"))

    def __str__(self) -> str:
        """Return its name, and what differs from the defaults, as a table shows it."""
        changed = [
            f"{f.name}={plain(getattr(part, f.name))}"
            for part in (self.choice.shared, self.choice.component)
            for f in fields(part)  # type: ignore[arg-type]  # a component is a dataclass
            if f.init and getattr(part, f.name) != f.default
        ]
        return f"{self.choice.name}({', '.join(changed)})" if changed else self.choice.name

    def plain(self) -> dict[str, Any]:
        """Return the mapping that holds it."""
        return plain_choice(self.choice)


def defaults_of(name: str) -> dict[str, Any]:
    """Return what the YAML of a schedule of ours holds; nothing for one that somebody else made."""
    file = CONF / "scheduler" / f"{name}.yaml"
    if name not in SCHEDULERS.names() or not file.is_file():
        return {}
    # as Hydra reads it: 1e-4 is a number
    values = OmegaConf.to_container(OmegaConf.load(file))
    return {str(key): value for key, value in values.items()} if isinstance(values, dict) else {}


@dataclass(frozen=True)
class Rule:
    """What is different for the parameters that match.

    Attributes:
        match: kinds (`_kinds.KINDS`) or patterns of names as a shell has them (`*.bias`), one of
            which must fit.
        lr: factor of `optim.lr`; positive.
        weight_decay: factor of `optim.weight_decay`; 0 or more.
        scheduler: a schedule in place of the run's.
        freeze_after: from when on they stay as they are.
        name: of `NAMED`, where it was written that way.
    """

    match: tuple[str, ...]
    lr: float | None = None
    weight_decay: float | None = None
    scheduler: OwnScheduler | None = None
    freeze_after: Duration | None = None
    name: str | None = None

    @property
    def label(self) -> str:
        """What tables call it."""
        return self.name or "|".join(self.match)

    @property
    def settings(self) -> list[str]:
        """The names of what it sets."""
        return [name for name in SETTINGS if getattr(self, name) is not None]

    def check(self, key: str) -> None:
        """Raise ConfigError for values that are out of range or can have no effect."""
        if not self.match:
            raise ConfigError(f"{key}.match must name kinds or patterns: {', '.join(KINDS)}")
        if self.lr is not None and self.lr <= 0.0:
            raise ConfigError(
                f"{key}.lr must be positive, got {self.lr}; to hold parameters still, write "
                "freeze_after: 0st"
            )
        if self.weight_decay is not None and self.weight_decay < 0.0:
            raise ConfigError(f"{key}.weight_decay must be 0 or more, got {self.weight_decay}")
        given = self.settings
        if not given:
            raise ConfigError(f"{key} changes nothing: give it {', '.join(SETTINGS)}")
        if self.freeze_after is not None and self.freeze_after.value == 0 and len(given) > 1:
            raise ConfigError(
                f"{key}: with freeze_after={self.freeze_after} nothing else has an effect; "
                f"leave out {', '.join(name for name in given if name != 'freeze_after')}"
            )

    def fits(self, pattern: str, names: Collection[str], kinds: Collection[str]) -> bool:
        """Return whether one of its patterns fits a parameter of these names and kinds."""
        if pattern in KINDS:
            return pattern in kinds
        return any(fnmatchcase(name, pattern) for name in names)

    def matches(self, names: Collection[str], kinds: Collection[str]) -> bool:
        """Return whether a parameter of these names and kinds is meant."""
        return any(self.fits(pattern, names, kinds) for pattern in self.match)


@dataclass(frozen=True)
class Rules(Written):
    """Rules in order: every one that matches a parameter counts, a later one's keys over an earlier
    one's."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the rules written as a list of mappings and names, or as one alone."""
        items = [value] if isinstance(value, (str, Mapping)) else value
        if not isinstance(items, Sequence):
            raise ConfigError(
                f"{key} must be a list of rules such as {{match: bias, lr: 2}}, or "
                f"{' or '.join(NAMED)}, got {shown(value)}"
            )
        return cls(tuple(parse_rule(rule, f"{key}[{i}]") for i, rule in enumerate(items)))

    def __str__(self) -> str:
        return str(self.plain())

    def plain(self) -> list[Any]:
        """Return the list that holds them."""
        return [
            rule.name or {name: plain(getattr(rule, name)) for name in ("match", *rule.settings)}
            for rule in self.rules
        ]

    def deciding(self, indices: Sequence[int], setting: str) -> int | None:
        """Return which of the rules numbered by `indices` decides a setting, if any does."""
        setters = [i for i in indices if getattr(self.rules[i], setting) is not None]
        return setters[-1] if setters else None

    def value(self, indices: Sequence[int], setting: str) -> Any:
        """Return what it is then, or None."""
        decider = self.deciding(indices, setting)
        return None if decider is None else getattr(self.rules[decider], setting)


def parse_rule(value: object, key: str) -> Rule:
    """Return the rule written as a name or a mapping."""
    if isinstance(value, str):
        if value not in NAMED:
            raise unknown("rule of optim.groups", value, NAMED)
        return build(Rule, {**NAMED[value], "name": value}, key)
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key} must be a mapping such as {{match: bias, lr: 2}}, got {value}")
    values = {str(k): v for k, v in value.items()}
    check_known(values, [f.name for f in fields(Rule) if f.name != "name"], key)
    if isinstance(values.get("match"), str):
        values["match"] = [values["match"]]
    try:
        rule = build(Rule, values, key)
    except ConfigError as error:
        raise error if key in str(error) else ConfigError(f"{key}: {error}") from error
    rule.check(key)
    return rule
