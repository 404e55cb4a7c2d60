"""The command line: what is asked, who answers, and how it ends. Imports no torch until there is
something to train."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from trainer import STARTED, __version__
from trainer.cli.arguments import HYDRA_FLAGS, SWEEP_FLAGS, CommandLine, own_place, take_apart
from trainer.cli.json_line import FLAG, Ending
from trainer.cli.subcommands import is_subcommand, run_subcommand
from trainer.composition import not_built
from trainer.composition.overrides import canonical, parse_override, quoted
from trainer.composition.search_path import Sources, load_plugins
from trainer.core.command import run_line, started_beside
from trainer.core.environment import World, known_world
from trainer.core.errors import ConfigError, Diverged, Stopped, TrainerError
from trainer.core.limits import is_hung_up, reporting_system, silence
from trainer.core.signals import die_with_parent, is_in_group, leave_group

if TYPE_CHECKING:
    from trainer.composition.compose import Composed

T = TypeVar("T")

RUN_FLAGS = ("--resolve", "--run", "-r", FLAG)

PATIENCE_S = 2.0  # of a process that does not tell what went wrong, for the one that does

LOWER = "\nA lower optim.lr, scheduler.warmup or clip_norm may help; task=lr_range finds a rate."


def main(*first: str) -> NoReturn:
    """Answer the command line and end the process with the exit code that fits.

    Args:
        first: arguments before those of the command line, as a script's subcommand.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # open to the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know a letter
    if known_world().is_torchrun:
        die_with_parent()
    code = exit_code([*first, *sys.argv[1:]])
    leave_group(code)
    sys.exit(code)


def exit_code(arguments: Sequence[str]) -> int:
    """Answer a command line, tell what went wrong, and return the exit code that fits."""
    if is_subcommand(arguments):
        code = outcome(lambda: run_subcommand(*arguments))
        return outcome(flush) or code
    ending = Ending()
    is_shown = FLAG in arguments and known_world().rank == 0
    try:
        code = outcome(lambda: answer(take_apart(arguments), ending), ending)
    except Exception as error:  # a bug: Python shows where, and ends with 1
        ending.of_error(error)
        if is_shown:
            outcome(lambda: ending.show(1))
        raise
    if is_shown:
        code = outcome(lambda: ending.show(code)) or code
    return outcome(flush) or code


def outcome(work: Callable[[], int], ending: Ending | None = None) -> int:
    """Do something, tell what went wrong, and return the exit code that fits; `ending` learns it
    too."""
    try:
        with reporting_system():
            return work()
    except TrainerError as error:
        if ending is not None:
            ending.of_error(error)
        world = known_world()
        is_alone = not world.is_torchrun and not is_in_group()  # nobody says that there is a first
        if world.rank == 0 or error.is_own or is_alone:
            from trainer.record.console import fail

            hint = LOWER if isinstance(error, Diverged) else ""
            fail(f"{error}{hint}", label="" if isinstance(error, Stopped) else "error: ")
        elif not is_in_group():
            time.sleep(PATIENCE_S)  # torchrun ends the first process, which tells, after this one
        return error.exit_code
    except KeyboardInterrupt as error:
        if ending is not None:
            ending.of_error(error)
            ending.status = "interrupted"
        return 130


def flush() -> int:
    """Print what is not printed yet."""
    try:
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError) and not is_hung_up(error, sys.stdout):
            raise
        silence()  # whoever read along has gone
    return 0


def answer(line: CommandLine, ending: Ending) -> int:
    """Do what a command line asks and return the exit code; `ending` learns how it ended."""
    asked = [f for f in line.flags if f in ("--help", "-h", "--version", *HYDRA_FLAGS)]
    if FLAG in line.flags and (asked or "cfg" in line.values):
        what = asked[0] if asked else "--cfg"
        raise ConfigError(f"{FLAG} is of runs, tasks and sweeps: leave out {FLAG} or {what}")
    for flag in line.flags:
        if flag in ("--help", "-h"):
            from trainer.cli.help import help_text

            sys.stdout.write(help_text(load_sources(line)))
            return 0
        if flag == "--version":
            print(f"trainer {__version__}")
            return 0
        if flag not in (*SWEEP_FLAGS, *HYDRA_FLAGS, *RUN_FLAGS) and flag.startswith("-"):
            not_built.check_key(flag.lstrip("-"))
            raise ConfigError(f"unknown flag {flag}; --help shows what there is")
    started_beside(line.beside)
    sources = load_sources(line)
    if any(flag in HYDRA_FLAGS for flag in line.flags):
        return ask_hydra(line, sources)
    resume = line.resume
    is_resumed = resume is not None and from_first_process(
        lambda: (Path(resume) / "sweep.yaml").is_file()
    )
    if line.is_sweep or is_resumed:
        from trainer.cli.sweep import resume_jobs, sweep

        return (sweep if line.is_sweep else resume_jobs)(line, sources, ending)
    if line.reuse is not None:
        raise ConfigError("reuse= is of sweeps (with -m): a single run is always run")
    return single(line, sources, ending)


def single(line: CommandLine, sources: Sources, ending: Ending) -> int:
    """Compose one run and show or perform it."""
    from trainer.composition.replay import check_agrees
    from trainer.core.weights_source import Origin

    if sum(place is not None for place in (line.resume, line.repeat, line.fork)) > 1:
        raise ConfigError(
            "resume= goes on with a run, repeat= starts it anew, fork= starts a new one from its "
            "state: name one of them"
        )
    recorded = line.resume if line.resume is not None else line.repeat
    overrides = line.overrides
    if (used := run_in_use(overrides)) is not None:
        check_network(line)
        recorded = str(used)
    if line.fork is not None:
        recorded, overrides = (
            str(Origin.parse(line.fork, "fork").run),
            (*overrides, f"fork={line.fork}"),
        )
    replayed = (
        None if recorded is None else from_first_process(lambda: recorded_for(line, Path(recorded)))
    )
    composed = composed_with_plugins(line, overrides, sources, replayed)
    if "cfg" in line.values:
        return show_config(line, composed)
    if composed.is_sweep:
        raise ConfigError("the preset names values to sweep over: write -m before it")
    from trainer.config.run_config import parse
    from trainer.run.request import RunRequest
    from trainer.task.base import check_trains, perform

    config = parse(composed.values(), plugins=line.plugins)
    if line.resume is not None and replayed is not None:
        check_trains(config, "resume=", "repeat= takes a run with any task")
        check_agrees(config.plain(), replayed, line.allow)
    if line.fork is not None:
        check_trains(config, "fork=", "repeat= takes a run with any task")
    resume = None if line.resume is None else own_place(line.resume)
    startup_s = time.perf_counter() - STARTED
    request = RunRequest(
        config,
        composed.overrides,
        composed.notes,
        composed.run_dir,
        resume,
        allow=line.allow,
        startup_s=startup_s,
    )
    row = perform(request)
    ending.facts["task"] = config.task.name
    if row is not None:
        ending.of_run(row)
    return 0


def recorded_for(line: CommandLine, run: Path) -> dict[str, Any]:
    """Return the recorded configuration that a line begins with."""
    from trainer.composition.replay import read_recorded, with_planned_steps

    tree = read_recorded(run)
    if line.repeat is not None:
        return with_planned_steps(tree, run, line.overrides)
    if line.resume is None and line.fork is None:  # a task that uses its network trains nothing
        return {**tree, "max_time": None}
    return tree


def run_in_use(overrides: Sequence[str]) -> Path | None:
    """Return the run whose network a task uses: its record is what the line begins with, as that of
    `repeat=`; None where the line names no run."""
    from trainer.core.weights_source import Origin

    named = [text.partition("=")[2] for text in overrides if text.startswith("task.run=")]
    origin = Origin.parse(named[-1].strip("'\""), "task.run") if named else None
    return None if origin is None or origin.is_file or origin.path is None else origin.run


def check_network(line: CommandLine) -> None:
    """Raise ConfigError if a line that uses a run's network names another network or run."""
    if line.resume is not None or line.repeat is not None or line.fork is not None:
        raise ConfigError("task.run= names the run: leave out resume=, repeat= and fork=")
    for text in line.overrides:
        key = text.partition("=")[0].lstrip("+")
        if key == "model" or key.startswith(("model.", "init")):
            raise ConfigError(f"{text}: the network and its weights are those of task.run")


def composed_with_plugins(
    line: CommandLine,
    overrides: Sequence[str],
    sources: Sources,
    replayed: Mapping[str, Any] | None,
) -> Composed:
    """Return what the overrides of one run compose to; an error names the plugins that a recorded
    run was made with, where the line does not: a record loads no code."""
    from trainer.composition.compose import compose_overrides

    try:
        return compose_overrides(overrides, sources, replayed)
    except ConfigError as error:
        named = (replayed or {}).get("plugins") or []
        plugins = [*line.plugins, *(p for p in named if p not in line.plugins)]
        if len(plugins) == len(line.plugins):
            raise
        words = [w for w in line.words if not w.startswith("plugins=")]
        again = run_line(f"plugins=[{','.join(plugins)}]", *words)
        raise ConfigError(
            f"{error}; that run was made with plugins, which a record does not load: write\n"
            f"  {again}"
        ) from error


def from_first_process(find: Callable[[], T]) -> T:
    """Return what the first process finds; the others may be on machines without the file."""
    world = World.from_environment()
    if world.size == 1:
        return find()
    from trainer.strategy.collectives import broadcast
    from trainer.strategy.keys import Timeouts
    from trainer.strategy.process_group import join

    return broadcast(join(world, Timeouts().start_timeout.value), find)


def show_config(line: CommandLine, composed: Composed) -> int:
    """Print the composed configuration, as Hydra's --cfg would, with replaced parts as they will
    be."""
    from omegaconf import OmegaConf

    if line.values["cfg"] != "job":
        return ask_hydra(line, load_sources(line))
    node = (
        OmegaConf.select(composed.cfg, line.values["package"])
        if "package" in line.values
        else composed.cfg
    )
    if node is None:
        raise ConfigError(f"--package {line.values['package']}: no such part of the configuration")
    for note in composed.notes:
        print(f"# {note}")
    print(
        OmegaConf.to_yaml(node, resolve="--resolve" in line.flags)
        if OmegaConf.is_config(node)
        else node,
        end="",
    )
    return 0


def load_sources(line: CommandLine) -> Sources:
    """Return where this line's configurations are looked up."""
    return load_plugins(
        line.plugins, line.values.get("config_dir"), line.values.get("config_name", "config")
    )


def ask_hydra(line: CommandLine, sources: Sources) -> int:
    """Let Hydra answer its own flags."""
    from trainer.sweep.hydra_bridge import LAUNCHER, SWEEPER, run_hydra

    overrides = (
        [quoted(w, is_sweep=False) for w in canonical([parse_override(t) for t in line.overrides])]
        if not any(f in ("--shell-completion", "-sc") for f in line.flags)
        else list(line.overrides)
    )
    values = [t for k in ("cfg", "package") if k in line.values for t in (f"--{k}", line.values[k])]
    named = [str(w).split("=")[0] for w in overrides]
    ours = [w for w in (SWEEPER, LAUNCHER) if w.split("=")[0] not in named]
    run_hydra([*(str(w) for w in overrides), *ours, *values, *line.flags], sources)
    return 0
