"""Tricks seen to work, or not, in a minute each: a picture, an interval, a sentence."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer._version import __version__
from trainer.core.command import command_line
from trainer.core.errors import ConfigError
from trainer.core.files import replace_text
from trainer.study.demos.spec import Demo

if TYPE_CHECKING:
    from trainer.analysis.compare import Arm
    from trainer.study.demos.pictures import Shown


def show(demo: Demo, seeds: int | None, out: Path | None) -> None:
    """Run a demonstration; write its picture and page, and print the sentence."""
    start = time.perf_counter()
    command = command_line("demo", demo.name, *(["--seeds", str(seeds)] if seeds else []))
    result = perform(demo, seeds=seeds, command=command)
    place = out or result.folder
    place.mkdir(parents=True, exist_ok=True)
    picture = place / f"{demo.name}.png"
    result.shown.figure.savefig(picture)
    replace_text(picture.with_suffix(".md"), result.page)
    print(f"\n{demo.title}\n{result.sentence}\n\n{result.shown.table}")
    print(f"picture  {picture}\nruns     {result.folder}")
    runs = [run for arm in result.arms for run in arm.runs]
    work = sum(run.seconds.get("total", 0.0) for run in runs)
    print(f"{time.perf_counter() - start:.0f} s; {len(runs)} runs that took {work:.0f} s in all")


@dataclass(frozen=True)
class DemoResult:
    """What a demonstration gave.

    Attributes:
        shown: sentence, picture and table.
        arms: with their runs.
        folder: of its runs, or of links to those that were made before.
        sentence: the sentence, and where to look if there was nothing to see.
        page: all of it in Markdown, with what it was measured with.
    """

    shown: Shown
    arms: list[Arm]
    folder: Path
    sentence: str
    page: str


def perform(
    demo: Demo,
    *,
    seeds: int | None = None,
    folder: Path | None = None,
    command: str = "",
    quiet: bool = False,
) -> DemoResult:
    """Run a demonstration and return what it gave; what is finished already is not run again, but
    where runs are timed against each other.

    Args:
        demo: from `load`.
        seeds: runs of each arm; the demonstration's own number by default.
        folder: of the runs; a new one under `outputs/` by default.
        command: for the picture's small print.
        quiet: print nothing.

    Raises:
        ConfigError: if the words of an arm do not compose, or there are fewer than two seeds.
        TrainerError: if a run fails otherwise than by diverging.
    """
    from trainer.api import compose
    from trainer.record.run_folder import check_folder, make_folder, removed_if_unused
    from trainer.study.demos.kinds import kind_of
    from trainer.study.demos.page import page, sentence_of

    count = demo.seeds if seeds is None else seeds
    if count < 2:
        raise ConfigError(f"--seeds must be 2 or more, or there is no interval; got {count}")
    kind, wanted = kind_of(demo), None if folder is None else str(folder)
    for arm in (demo.arms[0], demo.arms[-1]) if demo.axes else demo.arms:
        compose(*demo.overrides(arm))
    check_folder(wanted)
    place = make_folder(wanted, f"demo-{demo.name}")
    with removed_if_unused(place):
        arms = kind.run(demo, place, range(count), quiet=quiet)
    data = compose(*demo.overrides(demo.arms[0])).data.name
    facts = f"{command}   |   {data}, {count} seeds per arm   |   tricks-trainer {__version__}"
    shown = kind.show(demo, arms, facts)
    return DemoResult(
        shown, arms, place, sentence_of(demo, shown), page(demo, shown, arms, command)
    )


def tune(demo: Demo, out: Path | None) -> None:
    """Choose each arm's values again, and write what was tried."""
    from trainer.record.run_folder import make_folder, removed_if_unused
    from trainer.study._trials import to_csv
    from trainer.study.demos.tune import tune as tuned

    if not any(arm.tune for arm in demo.arms):
        raise ConfigError(f"{demo.name} has nothing to tune: it shows every value it tries")
    folder = make_folder(None, f"tune-{demo.name}")
    with removed_if_unused(folder):
        text = to_csv(tuned(demo, folder))
    place = out or folder
    place.mkdir(parents=True, exist_ok=True)
    replace_text(place / f"{demo.name}.csv", text)
    print(f"\n{text}\ntable  {place / demo.name}.csv")
