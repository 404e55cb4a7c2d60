"""Optimizers, the groups of parameters that they move, and bounds on gradients.

An author of an optimizer registers it in `OPTIMIZERS`; see `Optim`, `OptimKeys` and `torch_groups`.
"""

from trainer.core.errors import ConfigError
from trainer.core.ranges import check_in
from trainer.optim._clip import Clip, build_clip
from trainer.optim._group_schedules import GroupSchedules, plan_group_schedules
from trainer.optim._groups import build_optimizer
from trainer.optim.base import (
    OPTIMIZERS,
    Groups,
    Member,
    Optim,
    OptimKeys,
    ParameterGroup,
    check_betas,
    check_decoupled,
    fused,
    torch_groups,
)

__all__ = ["OPTIMIZERS", "ConfigError", "Groups", "Member", "Optim", "OptimKeys", "ParameterGroup"]
__all__ += ["check_betas", "check_decoupled", "check_in", "fused", "torch_groups"]
__all__ += ["Clip", "GroupSchedules", "build_clip", "build_optimizer"]
__all__ += ["plan_group_schedules"]
