"""From a model and rules to the groups of its parameters."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import nn

from trainer.core.errors import ConfigError
from trainer.core.registry import Choice
from trainer.optim._kinds import KINDS, kinds_of
from trainer.optim._rules import Rules
from trainer.optim.base import RULE_IMAGES, Member, Optim, OptimKeys, ParameterGroup

log = logging.getLogger("trainer")

MAIN = "main"  # what no rule matches
Numbers = tuple[int, ...]  # of the rules that match a parameter, ascending


def build_optimizer(
    choice: Choice[OptimKeys, Optim], model: nn.Module, batch_size: int
) -> torch.optim.Optimizer:
    """Return the chosen optimizer over a model's groups, each group's peak in its `base_lr`.

    Raises:
        ConfigError: if a rule matches no parameter, or the optimizer cannot move this model.
    """
    keys, peak = choice.shared, choice.shared.peak(batch_size)
    if keys.lr_rule != "none":
        log.info(
            f"optim.lr_rule={keys.lr_rule}: the peak is {keys.lr:g} * {batch_size} / "
            f"{RULE_IMAGES} = {peak:g}"
        )
    groups = parameter_groups(model, replace(keys, lr=peak))
    optimizer = choice.component.build(groups, keys)
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    return optimizer


def parameter_groups(model: nn.Module, keys: OptimKeys) -> list[ParameterGroup]:
    """Return every parameter of the model in exactly one group; one that layers share counts once.

    Those that match the same rules are a group; the one of those that match none comes first.

    Raises:
        ConfigError: if a rule, a pattern of it or one of its settings concerns no parameter.
    """
    rules = keys.groups
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    kinds = kinds_of(model)
    check_patterns(rules, [(names[p], kinds[p]) for p in names])
    found: dict[Numbers, list[Member]] = {}
    for parameter, own_names in names.items():
        numbers = tuple(
            i for i, rule in enumerate(rules.rules) if rule.matches(own_names, kinds[parameter])
        )
        member = Member(own_names[0], parameter, kinds[parameter])
        found.setdefault(numbers, []).append(member)
    check_settings(rules, found)
    return [make_group(found[numbers], numbers, keys) for numbers in sorted(found)]


def make_group(members: Sequence[Member], numbers: Numbers, keys: OptimKeys) -> ParameterGroup:
    """Return the group of the parameters that match the rules of these numbers."""
    rules = keys.groups
    lr, decay = (rules.value(numbers, setting) for setting in ("lr", "weight_decay"))
    schedule, end = (rules.value(numbers, setting) for setting in ("scheduler", "freeze_after"))
    return ParameterGroup(
        " + ".join(rules.rules[i].label for i in numbers) or MAIN,
        tuple(members),
        keys.lr if lr is None else lr * keys.lr,
        keys.weight_decay if decay is None else decay * keys.weight_decay,
        numbers,
        None if schedule is None else str(schedule),
        None if end is None else str(end),
    )


def check_patterns(rules: Rules, parameters: Sequence[tuple[list[str], frozenset[str]]]) -> None:
    """Raise ConfigError for a rule that matches none of the parameters, given by names and kinds,
    or a pattern of names that does."""
    for i, rule in enumerate(rules.rules):
        matching = [
            p for p in rule.match if any(rule.fits(p, *names_kinds) for names_kinds in parameters)
        ]
        lost = [
            pattern for pattern in rule.match if pattern not in matching and pattern not in KINDS
        ]
        if lost or not matching:
            some = [names[0] for names, _ in parameters]
            raise ConfigError(
                f"optim.groups[{i}]: no parameter matches {' or '.join(lost or rule.match)}; kinds "
                f"are {', '.join(KINDS)}, names are {shortened(some)}"
            )


def shortened(names: Sequence[str]) -> str:
    """Return the first names and the last of a list."""
    return ", ".join(names) if len(names) <= 8 else ", ".join([*names[:5], "...", *names[-2:]])


def check_settings(rules: Rules, found: Iterable[Numbers]) -> None:
    """Raise ConfigError for a setting that later rules override for every parameter it is for."""
    found = list(found)
    for i, rule in enumerate(rules.rules):
        for setting in rule.settings:
            if not any(rules.deciding(numbers, setting) == i for numbers in found):
                raise ConfigError(
                    f"optim.groups[{i}].{setting} has no effect: later rules set it for everything "
                    f"that {rule.label} matches"
                )
