"""A study made: its runs, its files, what is printed of it."""

from __future__ import annotations

import importlib
import time
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.core.environment import has_display
from trainer.core.errors import ConfigError
from trainer.core.files import replace_text, reporting_disk
from trainer.run.device import settings_restored
from trainer.study import mechanisms
from trainer.study.halves import halves_figure, write_gif
from trainer.study.page import StudyFinding, write
from trainer.study.runs import trials_csv, tune
from trainer.study.study import KINDS, Study, check_scale


def make(
    study: Study, folder: Path, *, quiet: bool = False, is_animated: bool = False
) -> tuple[StudyFinding, tuple[str, ...]]:
    """Run a study and write its files into a folder; what is finished already is not run again, but
    where runs are timed against each other.

    Args:
        study: from `load`.
        folder: of its files; made if need be.
        quiet: print nothing.
        is_animated: write the mechanism as it evolves, too.

    Returns:
        What it came to, and the names of its files, pictures first.

    Raises:
        ConfigError: if overrides do not compose, or the file of the study is not one.
        TrainerError: if a run fails otherwise than by diverging.
    """
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise ConfigError(f"--out {folder}: {there} is not a folder")
    module, name = KINDS[study.draw]
    find: Any = getattr(importlib.import_module(module), name)
    mechanism = mechanisms.load(study.mechanism) if study.mechanism else None
    if is_animated and mechanism is None:
        raise ConfigError(f"--gif: {study.name} draws no mechanism at the scale {study.scale}")
    found: StudyFinding = find(study, folder, quiet=quiet)
    with reporting_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if found.figure is None and found.worth is not None:
        with settings_restored():
            seen = None if mechanism is None else mechanism.see(study, found.runs)
        found = replace(found, figure=halves_figure(study, seen, found.worth))
        if is_animated:
            write_gif(study, seen, folder / f"{study.name}.gif")
            found = replace(found, files=(*found.files, f"{study.name}.gif"))
    return found, write(study, found, folder)


def show(
    study: Study, out: Path | None, *, is_opened: bool = False, is_animated: bool = False
) -> None:
    """Run a study, write its files, print its page, and open its picture if asked."""
    start, folder = time.perf_counter(), out or study.folder
    check_scale(study.scale)
    found, files = make(study, folder, is_animated=is_animated)
    work = sum(run.seconds.get("total", 0.0) for run in found.runs)
    print(f"\n{(folder / files[-1]).read_text(encoding='utf-8')}")
    for kind, ending in (("picture", ".png"), ("moving", ".gif"), ("page", ".md")):
        for file in (f for f in files if f.endswith(ending)):
            print(f"{kind:8} {folder / file}")
    print(f"runs     {study.folder}")
    spent = time.perf_counter() - start
    print(f"{spent:.0f} s; {len(found.runs)} runs that took {work:.0f} s in all")
    if is_opened:
        print(opened(folder / files[0]))


def opened(picture: Path) -> str:
    """Open a picture with what the desktop has for it; return in a line whether that was done."""
    if has_display() and webbrowser.open(picture.resolve().as_uri()):
        return f"opened   {picture}"
    return f"no display here: the picture is {picture.resolve()}"


def retune(study: Study, out: Path | None) -> None:
    """Choose each arm's values again, and write what was tried."""
    if study.draw == "rates" or not any(study.tried(label) for label in study.labels):
        raise ConfigError(f"{study.name} has nothing to tune: it shows every value it tries")
    for label in study.labels:
        study.compose(*study.job(label, (), 0).overrides)
    text, place = trials_csv(tune(study)), out or study.folder
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"{study.name}_trials.csv"
    replace_text(file, text)
    print(f"\n{text}\ntable  {file}")
