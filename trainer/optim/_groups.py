"""From a model to the groups of its parameters."""

from __future__ import annotations

from torch import nn

from trainer.optim._kinds import kinds_of
from trainer.optim.base import Group, Member, OptimKeys

MAIN = "main"


def parameter_groups(model: nn.Module, keys: OptimKeys) -> list[Group]:
    """Return every parameter of the model in exactly one group, shared ones once."""
    kinds = kinds_of(model)
    members = tuple(Member(name, p, kinds[p]) for name, p in model.named_parameters())
    return [Group(MAIN, members, keys.lr, keys.weight_decay)]
