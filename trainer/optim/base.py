"""The optimizer seam: from groups of parameters to what moves them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import nn

from trainer.core.errors import ConfigError
from trainer.core.ranges import check_in
from trainer.core.registry import Registry
from trainer.optim._rules import Rules

RULE_IMAGES = 256  # the batch that `optim.lr` is meant for under `optim.lr_rule=linear`


@dataclass(frozen=True)
class OptimKeys:
    """Keys that every choice of `optim` has.

    Attributes:
        lr: peak of the learning rate, whatever the schedule.
        weight_decay: coefficient of the decay, as the optimizer defines it.
        groups: rules that set some parameters apart.
        lr_rule: `none`, or `linear`: `lr` is meant for 256 images and scaled to `batch_size`.
    """

    lr: float = 0.01
    weight_decay: float = 0.0
    groups: Rules = Rules()
    lr_rule: Literal["none", "linear"] = "none"

    def __post_init__(self) -> None:
        check_in("(0, inf)", "optim.lr", self.lr)
        check_in("[0, inf)", "optim.weight_decay", self.weight_decay)
        for i, rule in enumerate(self.groups.rules):
            if rule.weight_decay is not None and self.weight_decay == 0.0:
                raise ConfigError(
                    f"optim.groups[{i}]: {rule.label} has a factor of optim.weight_decay, which is "
                    "0: set it as well, or leave the factor out"
                )

    def peak(self, batch_size: int) -> float:
        """Return the learning rate that is used at the schedule's peak.

        The linear rule is that of "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour",
        arXiv:1706.02677, for any batch size, small ones too.
        """
        return self.lr * batch_size / RULE_IMAGES if self.lr_rule == "linear" else self.lr


@dataclass(frozen=True)
class Member:
    """One parameter: its name in the model, and some of `_kinds.KINDS`."""

    name: str
    parameter: nn.Parameter
    kinds: frozenset[str]


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are moved alike.

    Attributes:
        name: as tables show it.
        members: in the model's order.
        lr: peak of their learning rate.
        weight_decay: coefficient of their decay.
        rules: numbers of the rules of `optim.groups` that they match.
        schedule: their own, in words, or None.
        freeze_after: from when on they are held still, in words, or None.
    """

    name: str
    members: tuple[Member, ...]
    lr: float
    weight_decay: float
    rules: tuple[int, ...] = ()
    schedule: str | None = None
    freeze_after: str | None = None

    def options(self) -> dict[str, Any]:
        """Return the group as the classes of `torch.optim` take it; all but `params` is plain."""
        return {
            "params": [member.parameter for member in self.members],
            "name": self.name,
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "rules": list(self.rules),
            "schedule": self.schedule,
            "freeze_after": self.freeze_after,
        }


Groups = Sequence[ParameterGroup]  # of a model; every parameter is in exactly one


class Optim(Protocol):
    """A component of this seam."""

    def build(self, groups: Groups, keys: OptimKeys) -> torch.optim.Optimizer:
        """Return an optimizer over the groups, each with the `lr` and `weight_decay` it names.

        One whose `step(closure)` has no default for the closure is given one. The step's gradients
        are in place, clipped, when `step` begins; `closure()` replaces them by those of the same
        images at the weights as they are then, clipped as well, and returns nothing.

        Args:
            groups: every parameter is in exactly one.
            keys: as they were written; the groups' own values come from them.
        """


OPTIMIZERS: Registry[Optim] = Registry("optim", OptimKeys)


def torch_groups(groups: Groups) -> list[dict[str, Any]]:
    """Return groups as the classes of `torch.optim` take them."""
    return [group.options() for group in groups]


def fused(make: Callable[..., torch.optim.Optimizer], groups: Groups) -> bool | None:
    """Return True where a class of `torch.optim` is fused for these parameters, else None.

    None leaves the choice to torch: foreach on a GPU, a loop on a CPU, where foreach gains nothing.
    Which devices have a fused step differs between versions, so it is tried, on one zero.
    """
    members = (member.parameter for group in groups for member in group.members)
    for device, dtype in {(p.device, p.dtype) for p in members}:
        trial = nn.Parameter(torch.zeros(1, device=device, dtype=dtype))
        trial.grad = torch.zeros_like(trial)
        try:
            make([trial], lr=1.0, fused=True).step()
        except RuntimeError:
            return None
    return True


def check_betas(betas: tuple[float, float]) -> None:
    """Raise ConfigError unless both decays are in [0, 1)."""
    for i, beta in enumerate(betas):
        check_in("[0, 1)", f"optim.betas[{i}]", beta)


def check_decoupled(decoupled_weight_decay: bool, keys: OptimKeys) -> None:
    """Raise ConfigError if a decay that there is none of is to be decoupled."""
    if decoupled_weight_decay and keys.weight_decay == 0.0:
        raise ConfigError(
            "optim.decoupled_weight_decay=true needs optim.weight_decay above 0: set it as well"
        )
