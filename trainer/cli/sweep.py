"""The command line of sweeps. Imports no torch until its overrides were checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.cli.arguments import CommandLine, own_place
from trainer.cli.json_line import Ending
from trainer.composition.search_path import Sources
from trainer.core.command import sweep_line
from trainer.core.environment import World
from trainer.core.errors import ConfigError

if TYPE_CHECKING:
    from trainer.sweep.jobs import Sweep
    from trainer.sweep.results import SweepEnd


def sweep(line: CommandLine, sources: Sources, ending: Ending) -> int:
    """Plan a sweep and run it, by Hydra where the line names another sweeper."""
    ending.facts["task"] = "sweep"
    for word in ("resume", "repeat", "fork"):
        if getattr(line, word) is not None:
            what = "takes a sweep's jobs from its folder:" if word == "resume" else "takes one run;"
            raise ConfigError(f"{word}= {what} leave out -m")
    refuse_torchrun(line)
    from trainer.composition.compose import Composer
    from trainer.sweep.plan import OURS, check_for_hydra, named, overrides_of, plan_sweep

    composer = Composer(sources)
    if named("sweeper", overrides_of(line.overrides)[1]) != OURS:
        arguments, shared = check_for_hydra(line.overrides, composer)
        from trainer.sweep.hydra_bridge import sweep_by_hydra

        return sweep_by_hydra(arguments, shared, sweep_of(line, sources))
    plan = plan_sweep(line.overrides, composer)
    from trainer.sweep.runner import run_sweep

    return ended(run_sweep(plan, sweep_of(line, sources)), ending)


def ended(sweep: SweepEnd, ending: Ending) -> int:
    """Take in how a sweep ended, and return its exit code."""
    ending.folder = sweep.folder
    ending.status = "failed" if sweep.lost else "completed"
    ending.facts |= {"jobs": sweep.num_jobs, "results": sweep.num_jobs - len(sweep.lost)}
    if sweep.lost:
        ending.facts["without_result"] = list(sweep.lost)
    return sweep.exit_code


def refuse_torchrun(line: CommandLine) -> None:
    """Raise ConfigError where torchrun started a sweep: it is the sweep that starts torchrun."""
    world = World.from_environment()
    if world.size == 1:
        return
    if line.resume is not None:
        command = sweep_line(f"resume={line.resume}")
    else:
        own = [w for w in line.overrides if not w.startswith("strategy.processes=")]
        command = sweep_line("-m", *own, f"strategy.processes={world.local_size}")
    raise ConfigError(
        "a sweep starts torchrun for each of its jobs and is not started by torchrun itself: "
        f"write\n  {command}"
    )


def sweep_of(line: CommandLine, sources: Sources) -> Sweep:
    """Return what the jobs of a command line's sweep share."""
    from trainer.sweep.jobs import Sweep

    return Sweep(sources, line.plugins, line.reuse != "off")


def resume_jobs(line: CommandLine, sources: Sources, ending: Ending) -> int:
    """Resume a sweep."""
    ending.facts["task"] = "sweep"
    refuse_torchrun(line)
    if line.overrides:
        raise ConfigError(
            f"resume= takes a sweep's jobs as they are: leave out {' '.join(line.overrides)}, or "
            "start a new sweep with -m, which reuses the jobs that are finished"
        )
    from trainer.sweep.runner import resume_sweep

    assert line.resume is not None
    return ended(resume_sweep(own_place(line.resume), sweep_of(line, sources)), ending)
