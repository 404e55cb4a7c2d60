"""What sets the optimizer's groups apart over a run: schedules of their own, and their ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trainer.core.clock import Clock
from trainer.core.errors import ConfigError
from trainer.metrics import Scores
from trainer.optim._rules import Rules
from trainer.scheduler import Point, Schedule


@dataclass(frozen=True)
class GroupSchedules:
    """For each group of the optimizer its own schedule, None where it follows the run's, and the
    step from which on it is held still, or None."""

    schedules: tuple[Schedule | None, ...]
    ends: tuple[int | None, ...]

    def points(self, clock: Clock, shared: Point) -> list[Point]:
        """Return what each group is set to at a step, where `shared` is the run's schedule's."""
        return [own(clock) if own else shared for own in self.schedules]

    def freeze(self, optimizer: torch.optim.Optimizer, clock: Clock) -> bool:
        """Hold the groups still whose end has come, and return whether any of them moved until now.

        Their parameters get no gradient from here on, which is why no optimizer moves, decays or
        counts them. Only this step's clock matters, so that a resumed run does the same.
        """
        stopped = False
        for group, end in zip(optimizer.param_groups, self.ends, strict=True):
            if end is not None and clock.step >= end:
                for parameter in group["params"]:
                    stopped = stopped or parameter.requires_grad
                    parameter.requires_grad_(False)
                    parameter.grad = None
        return stopped

    def observe(self, clock: Clock, scores: Scores | None) -> None:
        """Tell the groups' own schedules the scores at an epoch's end."""
        for schedule in self.schedules:
            if schedule is not None:
                schedule.observe(clock, scores)

    def state_dict(self) -> list[dict[str, Any]]:
        """Return what a checkpoint must keep of the groups' own schedules."""
        return [schedule.state_dict() if schedule else {} for schedule in self.schedules]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on from a checkpoint."""
        for schedule, state in zip(self.schedules, states, strict=True):
            if schedule is not None:
                schedule.load_state_dict(state)


def plan_group_schedules(
    optimizer: torch.optim.Optimizer, rules: Rules, *, total: int, steps_per_epoch: int
) -> GroupSchedules:
    """Return what the rules of `optim.groups` mean in one run.

    Raises:
        ConfigError: if a schedule does not fit the run, a group would be frozen after its end, or
            nothing would move up to its end.
    """
    numbers = [group["rules"] for group in optimizer.param_groups]
    after = [rules.value(n, "freeze_after") for n in numbers]
    ends = [None if a is None else a.steps(steps_per_epoch, total) for a in after]
    check_ends(rules, numbers, ends, total)
    times = {"total": total, "steps_per_epoch": steps_per_epoch}
    schedules = [own_schedule(group, rules, **times) for group in optimizer.param_groups]
    return GroupSchedules(tuple(schedules), tuple(ends))


def own_schedule(
    group: Mapping[str, Any], rules: Rules, *, total: int, steps_per_epoch: int
) -> Schedule | None:
    """Return the schedule that a group of the optimizer has to itself, or None."""
    own = rules.value(group["rules"], "scheduler")
    if own is None:
        return None
    try:
        schedule = Schedule(
            own.choice, peak=group["base_lr"], total=total, steps_per_epoch=steps_per_epoch
        )
        if schedule.momentum_key and not ("betas" in group or group.get("momentum")):
            raise ConfigError(f"{schedule.momentum_key}: the optimizer has no momentum to cycle")
    except ConfigError as error:
        number = rules.deciding(group["rules"], "scheduler")
        raise ConfigError(f"optim.groups[{number}]: {error}") from error
    return schedule


def check_ends(
    rules: Rules, numbers: Sequence[Sequence[int]], ends: Sequence[int | None], total: int
) -> None:
    """Raise ConfigError if groups, given by the numbers of their rules, stop moving too late or all
    too early."""
    for group, end in zip(numbers, ends, strict=True):
        if end is not None and end >= total:
            i = rules.deciding(group, "freeze_after")
            raise ConfigError(
                f"optim.groups[{i}].freeze_after={rules.value(group, 'freeze_after')} is step "
                f"{end}, but the run has {total} steps: shorten it"
            )
    known = [end for end in ends if end is not None]
    if len(known) == len(ends):
        raise ConfigError(
            f"optim.groups holds every parameter still from step {max(known)} on, but the run has "
            f"{total}: leave some of them moving, or end the run there with max_steps={max(known)}"
        )
