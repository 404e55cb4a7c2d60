"""Builds the strategy from what was chosen and how the program was started."""

from trainer.core.environment import TORCHRUN, World
from trainer.core.errors import ConfigError
from trainer.strategy.base import Single, Strategy
from trainer.strategy.ddp import Ddp
from trainer.strategy.dp import Dp
from trainer.strategy.keys import StrategyChoice
from trainer.strategy.process_group import join


def build_strategy(choice: StrategyChoice, world: World) -> Strategy:
    """Return the strategy: of several processes, each of which joins the others here, or of one.

    Raises:
        ConfigError: if the way in which the program was started does not allow the choice.
        LostProcess: naming the ranks that did not come.
    """
    name = choice.name
    check_start(choice, world)
    if name in ("single", "dp") and world.size > 1:
        raise ConfigError(
            f"strategy={name} cannot run in {world.size} processes: use strategy=ddp, or start one"
        )
    if world.size > 1:
        return Ddp(world, join(world, choice.timeouts.start_timeout.value), choice)
    for key in choice.changed():
        raise ConfigError(f"{key} has no effect in one process: leave it out, or use {TORCHRUN}")
    return Dp(world) if name == "dp" else Single(world)


def check_start(choice: StrategyChoice, world: World, *, is_sweep: bool = False) -> None:
    """Raise ConfigError if the way in which the program was started does not allow the choice; a
    sweep starts jobs, each of which may have processes of its own."""
    processes = choice.launch.processes
    is_several = world.size > 1 or world.is_torchrun
    if processes is not None and not is_sweep and processes != world.size:
        raise ConfigError(
            f"strategy.processes={processes} is for sweeps (with -m): it starts each job by "
            f"torchrun; start a single run with torchrun --standalone --nproc-per-node {processes} "
            "-m trainer"
        )
    if choice.name == "ddp" and not is_several and not (is_sweep and processes):
        raise ConfigError(
            f"strategy=ddp needs torchrun: {TORCHRUN}"
            + ("; or strategy.processes=2, for the jobs of a sweep" if is_sweep else "")
        )
