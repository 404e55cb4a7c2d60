"""From a model to the groups of its parameters."""

from __future__ import annotations

from torch import nn

from trainer.optim.base import Group, OptimKeys

MAIN = "main"


def parameter_groups(model: nn.Module, keys: OptimKeys) -> list[Group]:
    """Return every parameter of the model in exactly one group, shared ones once."""
    return [Group(MAIN, tuple(model.named_parameters()), keys.lr, keys.weight_decay)]
