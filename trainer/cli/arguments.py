"""A command line, taken apart into words, flags and the three words that are no part of a
configuration."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.core.errors import ConfigError, unknown

SWEEP_FLAGS = ("-m", "--multirun")

HYDRA_FLAGS = ("--hydra-help", "--info", "-i", "--shell-completion", "-sc", "--experimental-rerun")

WITH_VALUE = {
    "--config-dir": "config_dir",
    "-cd": "config_dir",
    "--config-name": "config_name",
    "-cn": "config_name",
    "--cfg": "cfg",
    "-c": "cfg",
    "--package": "package",
    "-p": "package",
}

ALLOWED = ("threads", "world_size", "versions", "device")  # in resume_allow


@dataclass(frozen=True)
class CommandLine:
    """A command line, taken apart.

    Attributes:
        overrides: `key=value` in the order written, without the three below.
        flags: of Hydra and ours, values included.
        resume: folder of a run, or None; `repeat` likewise, `fork` with a step.
        allow: in what the run may differ that is resumed.
        plugins: modules named.
        reuse: `on` or `off`, None where it was not said: whether finished runs are results of a
            sweep's jobs.
        words: all of them, as they were written.
    """

    overrides: tuple[str, ...]
    flags: tuple[str, ...]
    values: dict[str, str]
    resume: str | None
    repeat: str | None
    plugins: tuple[str, ...]
    fork: str | None = None
    allow: tuple[str, ...] = ()
    reuse: str | None = None
    words: tuple[str, ...] = ()

    @property
    def beside(self) -> tuple[str, ...]:
        """What every line about the same configurations must hold: folders and plugins."""
        names = {"--config-dir": "config_dir", "--config-name": "config_name"}
        given = [w for flag, n in names.items() if n in self.values for w in (flag, self.values[n])]
        return (*given, *([f"plugins=[{','.join(self.plugins)}]"] if self.plugins else []))

    @property
    def is_sweep(self) -> bool:
        """Whether several jobs are asked for."""
        return any(flag in SWEEP_FLAGS for flag in self.flags)


def own_place(path: str) -> Path:
    """Return the own folder of a run or sweep, where a link such as `outputs/latest` leads to it:
    another may become the latest."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else Path(path).absolute()


def is_text(override: str) -> bool:
    """Return whether a word of the command line is text that files and folders can be named by."""
    try:
        return b"\0" not in override.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8 come as surrogates
        return False


def take_apart(arguments: Sequence[str]) -> CommandLine:
    """Return the parts of a command line; `--key value` and `--key=value` are both understood for
    flags."""
    overrides, flags, values = [], [], {}
    special: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        text = rest.pop(0)
        if not is_text(text):
            raise ConfigError(f"cannot read {text!a}: words must be UTF-8, without zero bytes")
        flag, _, attached = text.partition("=")
        if flag in WITH_VALUE:
            if not attached and not rest:
                raise ConfigError(f"{flag} needs a value")
            values[WITH_VALUE[flag]] = attached or rest.pop(0)
        elif text.startswith("-") and not re.match(r"-[\d.]", text):
            flags.append(text)
            if flag in ("--info", "-i") and rest and re.fullmatch(r"[a-z-]+", rest[0]):
                flags.append(rest.pop(0))
        elif flag in ("resume", "repeat", "plugins", "resume_allow", "reuse") or (
            flag == "fork" and attached not in ("", "null")
        ):
            special[flag] = attached
        else:
            overrides.append(text)
    return CommandLine(
        tuple(overrides),
        tuple(flags),
        values,
        special.get("resume"),
        special.get("repeat"),
        names_in(special.get("plugins", "")),
        special.get("fork"),
        allowed(special),
        reused(special),
        tuple(arguments),
    )


def names_in(text: str) -> tuple[str, ...]:
    """Return the names in a list as people write it."""
    return tuple(name.strip() for name in text.strip("[] ").split(",") if name.strip())


def allowed(special: Mapping[str, str]) -> tuple[str, ...]:
    """Return what `resume_allow` names; raise ConfigError for what it does not know, and where
    nothing is resumed."""
    names = names_in(special.get("resume_allow", ""))
    for name in names:
        if name not in ALLOWED:
            raise unknown("name in resume_allow", name, ALLOWED)
    if "resume_allow" in special and "resume" not in special:
        raise ConfigError("resume_allow= says in what a resumed run may differ: name it by resume=")
    return names


def reused(special: Mapping[str, str]) -> str | None:
    """Return what `reuse` says, None where it is not there; raise ConfigError for another word."""
    override = special.get("reuse")
    if override is not None and override not in ("on", "off"):
        raise ConfigError(f"reuse must be on or off, got '{override}'")
    return override
