"""The subcommands: one table, and the answer to a first word that is none of them."""

import argparse
import importlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from trainer.composition.not_built import NAMES, check_name, check_subcommand
from trainer.composition.search_path import SEAMS, Sources
from trainer.core.command import program
from trainer.core.environment import World
from trainer.core.errors import ConfigError, nearest, unknown
from trainer.core.limits import silence

# name: the module whose function of that name answers, and what it does
SUBCOMMANDS = {
    "demo": ("trainer.cli.studies", "one trick, seen to work or not in a minute"),
    "explain": ("trainer.cli.explain", "a name or key: idea, formula, values, exercises"),
    "study": ("trainer.cli.studies", "a question answered by runs: arms over seeds, intervals"),
    "reproduce": ("trainer.cli.studies", "the text's figures and tables, made again"),
    "flatness": ("trainer.cli.studies", "how flat the loss is about the weights of runs"),
    "precision_table": ("trainer.cli.studies", "networks in several number formats"),
    "scaling": ("trainer.cli.studies", "images per second of one process, of ddp and of dp"),
    "compare": ("trainer.cli.analysis", "settings over seeds: curves, means, differences"),
    "table": ("trainer.cli.analysis", "runs as a table: a row per setting, means over seeds"),
    "curves": ("trainer.cli.analysis", "a metric over epochs, as a picture"),
    "slices": ("trainer.cli.analysis", "accuracy over the learning rate and a second value"),
    "lr_tradeoff": ("trainer.cli.analysis", "loss and accuracy over decades of learning rates"),
    "attribution": ("trainer.cli.analysis", "what each of several tricks contributes"),
    "report": ("trainer.cli.analysis", "a page of HTML about runs, for a browser"),
    "playground": (
        "trainer.cli.playground",
        "a page that shows optimizers, or the weights of runs",
    ),
    "ls": ("trainer.cli.ls", "list runs and sweeps, the newest first"),
    "slurm": ("trainer.cli.slurm", "print a job file for a cluster"),
    "rm": ("trainer.cli.rm", "delete the runs or sweeps that are named, after asking"),
}


class Parser(argparse.ArgumentParser):
    """The parser of a subcommand's arguments; a mistake is a ConfigError like any other.

    Args:
        name: of the subcommand.
        more: of the description, after the line from the table.
    """

    def __init__(self, name: str, more: str = "") -> None:
        text = SUBCOMMANDS[name][1]
        description = f"{text[0].upper()}{text[1:]}. {more}".rstrip()
        super().__init__(prog=f"{program()} {name}", description=description)

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError with argparse's message and, for an unknown option, the nearest."""
        wrong = re.search(r"arguments: (--[\w-]+)", message)
        match = nearest(wrong[1], re.findall(r"--[\w-]+", self.format_usage())) if wrong else None
        hint = f"; did you mean {match}?" if match else ""
        raise ConfigError(f"{message}{hint} `{self.prog} --help` lists the options")


def one_of(what: str, known: Iterable[str]) -> Callable[[str], str]:
    """Return a type for argparse that takes known names and raises ConfigError for others."""
    names = tuple(known)

    def parse(text: str) -> str:
        if text not in names:
            raise unknown(what, text, names)
        return text

    return parse


def is_subcommand(arguments: Sequence[str]) -> bool:
    """Return whether a command line begins with a subcommand, or with what looks like one."""
    return bool(arguments) and re.fullmatch(r"[A-Za-z_][\w./-]*", arguments[0]) is not None


def run_subcommand(name: str, *arguments: str) -> int:
    """Answer a subcommand and return the exit code.

    Raises:
        ConfigError: if there is no such subcommand, or torchrun started this.
        TrainerError: whatever it raises.
    """
    if World.from_environment().size > 1:
        raise ConfigError(f"{name} starts the processes that it needs: leave out torchrun")
    if name not in SUBCOMMANDS:
        raise unknown_subcommand(name)
    function: Any = getattr(importlib.import_module(SUBCOMMANDS[name][0]), name)
    try:
        function(arguments)
    except SystemExit as end:  # argparse has printed the help
        return int(end.code or 0)
    except BrokenPipeError:  # whoever read along has gone
        silence()
    return 0


REPLACED = {"comparison": "study"}  # names of earlier versions


def unknown_subcommand(word: str) -> ConfigError:
    """Return the error for a first word that is no subcommand, with what was probably meant."""
    check_subcommand(word)
    known = meanings()
    if word in REPLACED:
        return ConfigError(f"the subcommand {word} is {REPLACED[word]} now")
    for group in NAMES:
        check_name(group, word)
    if word not in known and nearest(word, SUBCOMMANDS):
        return unknown("subcommand", word, SUBCOMMANDS)
    meant = known.get(word if word in known else nearest(word, known) or "")
    if meant is None:
        return unknown("subcommand", word, SUBCOMMANDS)
    return ConfigError(
        f"unknown subcommand '{word}'; did you mean {' or '.join(meant)}? "
        f"`{program()} --help` lists the subcommands"
    )


def meanings() -> dict[str, list[str]]:
    """Return how words are written that people may put first: names of choices, groups, keys and
    the last parts of keys."""
    # Hydra takes a tenth of a second, which --help does without
    from trainer.composition.check_overrides import known_keys
    from trainer.composition.compose import compose_overrides

    found: dict[str, list[str]] = {"help": ["--help"], "version": ["--version"]}
    sources = Sources()
    for group in (*SEAMS, "experiment", "sweep"):
        before = "" if group in SEAMS else "-m +" if group == "sweep" else "+"
        found.setdefault(group, []).append(f"{before}{group}=...")
        for name in sources.options(group):
            found.setdefault(name, []).append(f"{before}{group}={name}")
    for key in known_keys(compose_overrides(()).tree):
        for name in {key, key.rpartition(".")[2]}:
            found.setdefault(name, []).append(f"{key}=...")
    return found
