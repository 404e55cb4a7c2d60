"""Every figure and table of the text, made again, our numbers beside those that were published."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from trainer.core.command import command_line
from trainer.core.errors import Diverged, TrainerError, unknown
from trainer.core.files import replace_text
from trainer.core.registry import PACKAGE
from trainer.study.outcome import Outcome, forget, save, saved
from trainer.study.spec import load, names
from trainer.study.study import Study, changed, check_scale, outputs_of, shown_overrides

KINDS, ALL = ("figure", "table"), "all"


def items(scale: str) -> list[Study]:
    """Return all figures and tables at a scale, in the order of the text."""
    found = [load(name, scale) for name in names(scale)]
    return sorted((s for s in found if s.text), key=lambda study: int(study.text["place"]))


def chosen(name: str, scale: str) -> list[Study]:
    """Return what a word of the command line means: an item, a family of them, `figures`, `tables`
    or `all`.

    Raises:
        ConfigError: if it means nothing.
    """
    all_of_them = items(scale)
    found = [
        item
        for item in all_of_them
        if name in (item.name, f"{item.text['kind']}s", ALL) or item.name.startswith(f"{name}_")
    ]
    if not found:
        known = [*(item.name for item in all_of_them), *(f"{kind}s" for kind in KINDS), ALL]
        raise unknown("figure or table", name, known)
    return found


def reproduce(
    name: str, scale: str, overrides: Sequence[str] = (), out: Path | None = None
) -> tuple[Path, list[str]]:
    """Make figures and tables and write the report. What is finished already is not made again.

    Args:
        name: one of them, `figures`, `tables` or `all`.
        scale: `smoke`, `cpu` or `gpu`.
        overrides: added to every run, such as data.root=DIR.
        out: folder of the report, and of a folder for each; reproduce/<scale> in the folder of all
            results by default.

    Returns:
        The report's path, and the names of what could not be made.

    Raises:
        ConfigError: if nothing could be made, for a reason of the user's.
    """
    found = chosen(name, scale)
    check_scale(scale)
    command = command_line("reproduce", name, "--scale", scale, *shown_overrides(overrides))
    place = out or outputs_of(overrides) / "reproduce" / scale
    made = make_all([changed(study, overrides) for study in found], place)
    file = write(made, scale, overrides, place, command)
    return file, [key for key, one in made.items() if isinstance(one, str)]


def make_all(found: Sequence[Study], place: Path) -> dict[str, Outcome | str]:
    """Make figures and tables one after the other; what fails costs itself alone.

    Raises:
        ConfigError: if nothing could be made, for a reason of the user's.
    """
    made: dict[str, Outcome | str] = {}
    for study in found:
        print(f"\n{study.name}: {study.title}", flush=True)
        try:
            made[study.name] = make(study, place / study.name)
        except Diverged as error:
            made[study.name] = str(error)
        except TrainerError as error:
            if len(found) == 1 or error.exit_code > 5:
                raise
            made[study.name] = str(error)
            sys.stderr.write(f"{study.name}: {error}\n")
    return made


def make(study: Study, folder: Path) -> Outcome:
    """Make one figure or table, unless the same was made already by the same sources."""
    from trainer.study.make import make as make_study

    key = key_of(study)
    known = saved(folder, key)
    if known is not None:
        print("made already, by the same sources")
        return known
    forget(folder)
    folder.mkdir(parents=True, exist_ok=True)
    found, files = make_study(study, folder)
    seconds = sum(run.seconds.get("total", 0.0) for run in found.runs)
    outcome = Outcome(
        study.command(),
        tuple(found.sentences),
        found.power,
        found.ours,
        files,
        len(found.runs),
        seconds,
    )
    save(outcome, folder, key)
    return outcome


def key_of(study: Study) -> str:
    """Return what says that a study would make the same again."""
    plain = json.dumps(asdict(study), sort_keys=True, default=str)
    return hashlib.sha256((plain + sources_digest()).encode()).hexdigest()


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
    from trainer.study.reproduction_report import report

    whole: dict[str, Outcome | str] = {}
    for study in items(scale):
        before = saved(place / study.name, key_of(changed(study, overrides)))
        found = made.get(study.name, before)
        if found is not None:
            whole[study.name] = found
    shown = [study for study in items(scale) if study.name in whole]
    place.mkdir(parents=True, exist_ok=True)
    file = place / "report.md"
    replace_text(file, report(scale, shown, whole, command))
    return file
