"""How this program was started, for messages that name a command: every line that is printed can be
typed as it stands."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from trainer.core.environment import World

TORCHRUN = ("-m", "torch.distributed.run")

_beside: tuple[str, ...] = ()  # words that every line about the same configurations must hold


def started_beside(words: Sequence[str]) -> None:
    """Take note of the folders of configurations and plugins that this program was started with."""
    global _beside
    _beside = tuple(words)


def program() -> str:
    """Return the words that start this program: `trainer` or `python -m trainer`."""
    return "trainer" if Path(sys.argv[0]).name == "trainer" else "python -m trainer"


def command_line(*arguments: str) -> str:
    """Return a line for the shell that calls this program as it was called, in one process."""
    return f"{program()} {shlex.join(arguments)}".rstrip()


def sweep_line(*arguments: str) -> str:
    """Return a line for the shell that starts or resumes a sweep with the configurations and
    plugins of this one."""
    flag = arguments[:1] if arguments[0] == "-m" else ()
    return command_line(*flag, *_beside, *arguments[len(flag) :])


def run_line(*arguments: str) -> str:
    """Return a line for the shell that starts or resumes a run as this one was started: with its
    configurations and plugins, and in as many processes."""
    return f"{launcher()} {shlex.join([*_beside, *arguments])}".rstrip()


def launcher() -> str:
    """Return the words that start a run: torchrun's where that started this process."""
    world = World.from_environment()
    if world.size == 1:
        return program()
    words = words_of_parent()
    at = next((i for i, word in enumerate(words) if words[i : i + 2] == ["-m", "trainer"]), 0)
    if at and Path(words[1]).name == "torchrun":
        return shlex.join(["torchrun", *words[2 : at + 2]])
    if at and tuple(words[1:3]) == TORCHRUN:
        return shlex.join(["python", *words[1 : at + 2]])
    nodes = world.size // world.local_size
    where = "--standalone"
    if nodes > 1:
        where = f"--nnodes {nodes} --rdzv-backend c10d --rdzv-endpoint HOST:29500"
    return f"torchrun {where} --nproc-per-node {world.local_size} -m trainer"


# Of torchrun's words those that differ from machine to machine.
OF_MACHINE = ("node-rank", "local-addr", "is_host")


def on_each_machine() -> str:
    """Return where a line of `run_line` is to be typed, as the end of a sentence; empty where that
    is this machine alone."""
    world = World.from_environment()
    if world.size == world.local_size:
        return ""
    words = " ".join(words_of_parent()).replace("_rank", "-rank").replace("_addr", "-addr")
    own = " and ".join(name for name in OF_MACHINE if name in words)
    return f", on each machine{f' with its own {own}' if own else ''}"


def words_of_parent() -> list[str]:
    """Return the command line of the process that started this one, empty where the system does not
    say."""
    try:
        line = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:
        return []
    return line.decode(errors="replace").split("\0")[:-1]
