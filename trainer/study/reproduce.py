"""Every figure and table of the text, made again, our numbers beside those that were published."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.core.command import command_line
from trainer.core.errors import ConfigError, Diverged, TrainerError
from trainer.core.files import replace_text
from trainer.core.registry import PACKAGE
from trainer.study._facts import shown_overrides
from trainer.study.reproduction.registry import Item, chosen, items

if TYPE_CHECKING:
    from trainer.study.reproduction.outcome import Outcome

Method = Callable[[Mapping[str, Any], Path], "Outcome"]


def reproduce(
    name: str, scale: str, overrides: Sequence[str] = (), out: Path | None = None
) -> tuple[Path, list[str]]:
    """Make figures and tables and write the report. What is finished already is not made again.

    Args:
        name: one of them, `figures`, `tables` or `all`.
        scale: `smoke`, `cpu` or `gpu`.
        overrides: added to every run, such as data.root=DIR.
        out: folder of the report, and of a folder for each; outputs/reproduce/<scale> by default.

    Returns:
        The report's path, and the names of what could not be made.

    Raises:
        ConfigError: if nothing could be made, for a reason of the user's.
    """
    found = chosen(name)
    check_scale(scale)
    command = command_line("reproduce", name, "--scale", scale, *shown_overrides(overrides))
    place = out or Path("outputs") / "reproduce" / scale
    made = make_all(found, scale, overrides, place)
    file = write(made, scale, overrides, place, command)
    return file, [key for key, one in made.items() if isinstance(one, str)]


def check_scale(scale: str) -> None:
    """Raise ConfigError if this machine cannot do a scale at all."""
    if scale != "gpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise ConfigError("--scale gpu needs a CUDA GPU, and there is none; --scale cpu does not")


def methods() -> dict[str, Method]:
    """Return what makes figures and tables, by the name that the registry calls it."""
    from trainer.study.reproduction import studies, sweeps

    return {
        "tradeoff": sweeps.tradeoff,
        "slice": sweeps.slice_,
        "stairs": sweeps.stairs,
        "schedules": studies.schedules,
        "comparison": studies.comparison,
        "flatness": studies.flat,
        "precision": studies.precision,
        "demo": studies.demonstration,
    }


def make_all(
    found: Sequence[Item], scale: str, overrides: Sequence[str], place: Path
) -> dict[str, Outcome | str]:
    """Make figures and tables one after the other; what fails costs itself alone.

    Raises:
        ConfigError: if nothing could be made, for a reason of the user's.
    """
    made: dict[str, Outcome | str] = {}
    for item in found:
        print(f"\n{item.name}: {item.title}", flush=True)
        try:
            made[item.name] = make(item, scale, overrides, place / item.name)
        except Diverged as error:
            made[item.name] = str(error)
        except TrainerError as error:
            if len(found) == 1 or error.exit_code > 5:
                raise
            made[item.name] = str(error)
            sys.stderr.write(f"{item.name}: {error}\n")
    return made


def make(item: Item, scale: str, overrides: Sequence[str], folder: Path) -> Outcome:
    """Make one figure or table, unless the same was made already by the same sources."""
    from trainer.study.reproduction.outcome import forget, save, saved

    settings, key = settings_of(item, scale, overrides)
    known = saved(folder, key)
    if known is not None:
        print("made already, by the same sources")
        return known
    folder.mkdir(parents=True, exist_ok=True)
    forget(folder)
    outcome = methods()[item.how](settings, folder)
    save(outcome, folder, key)
    return outcome


def settings_of(item: Item, scale: str, overrides: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return what a method is told, and what says that it would make the same again."""
    settings = item.at(scale)
    settings["overrides"] = (*settings["overrides"], *overrides)
    plain = json.dumps([item.how, settings], sort_keys=True, default=str)
    return settings, hashlib.sha256((plain + sources_digest()).encode()).hexdigest()


@functools.cache
def sources_digest() -> str:
    """Return the SHA-256 of all sources of this program, as this process first read them."""
    total = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        total.update(str(file.relative_to(PACKAGE)).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


def write(
    made: Mapping[str, Outcome | str],
    scale: str,
    overrides: Sequence[str],
    place: Path,
    command: str,
) -> Path:
    """Write the report of what was made now, and of what had been made with the same words before;
    return its path."""
    from trainer.study.reproduction.outcome import saved
    from trainer.study.reproduction.report import report

    whole: dict[str, Outcome | str] = {}
    for item in items():
        before = saved(place / item.name, settings_of(item, scale, overrides)[1])
        found = made.get(item.name, before)
        if found is not None:
            whole[item.name] = found
    shown = [item for item in items() if item.name in whole]
    place.mkdir(parents=True, exist_ok=True)
    file = place / "report.md"
    replace_text(file, report(scale, shown, whole, command))
    return file
