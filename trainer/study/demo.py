"""Tricks seen to work, or not, in a minute each: a picture, an interval, a sentence.

Usage: python -m trainer.study.demo [TRICK|all] [WORD ...] [--seeds N] [--out DIR] [--tune]

Without a trick, lists them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer._version import __version__
from trainer.errors import ConfigError, TrainerError
from trainer.study.demos.spec import Demo, load, names

if TYPE_CHECKING:
    from trainer.study.demos.pictures import Shown


def main(program: str = "python -m trainer.study.demo") -> None:
    """Answer a command line."""
    options = parser(program).parse_intermixed_args()
    try:
        chosen = names() if options.trick == "all" else [options.trick] if options.trick else []
        if not chosen:
            print(listing(program))
        for demo in [load(name).with_words(options.words) for name in chosen]:
            if options.tune:
                tune(demo, options.out)
            else:
                show(demo, options.seeds, options.out, program)
    except TrainerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def parser(program: str) -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    made = argparse.ArgumentParser(
        prog=program, description="A trick seen to work, or not, in a minute; `all` for each."
    )
    made.add_argument("trick", nargs="?", help=", ".join(names()))
    made.add_argument("words", nargs="*", help="added to every arm, such as epochs=30")
    made.add_argument("--seeds", type=int, help="runs of each arm; each demo has its own default")
    made.add_argument("--out", type=Path, help="folder for the picture and the table")
    made.add_argument(
        "--tune", action="store_true", help="choose each arm's values again, on val, and end"
    )
    return made


def listing(program: str) -> str:
    """Return every demonstration with what it asks."""
    width = max(map(len, names()))
    lines = [f"  {name:{width}}  {load(name).question}" for name in names()]
    return "\n".join([f"usage: {program} TRICK", "", *lines])


def show(demo: Demo, seeds: int | None, out: Path | None, program: str) -> None:
    """Run a demonstration; write its picture and page, and print the sentence."""
    start, worked = time.perf_counter(), processor_s()
    command = " ".join([program, demo.name, *([f"--seeds {seeds}"] if seeds else [])])
    result = perform(demo, seeds=seeds, command=command, say=progress())
    place = out or result.folder
    place.mkdir(parents=True, exist_ok=True)
    picture = place / f"{demo.name}.png"
    result.shown.figure.savefig(picture)
    picture.with_suffix(".md").write_text(result.page, encoding="utf-8")
    print(f"\n{demo.title}\n{result.told}\n\n{result.shown.table}")
    print(f"picture  {picture}\nruns     {result.folder}")
    took, work = time.perf_counter() - start, processor_s() - worked
    print(f"{took:.0f} s, {work:.0f} s of processor time")


def processor_s() -> float:
    """Return the processor time of this process and of those that it waited for."""
    return sum(os.times()[:4])


@dataclass(frozen=True)
class Result:
    """What a demonstration gave.

    Attributes:
        shown: sentence, picture and table.
        folder: of its runs.
        told: the sentence, and where to look if there was nothing to see.
        page: all of it in Markdown, with what it was measured with.
    """

    shown: Shown
    folder: Path
    told: str
    page: str


def perform(
    demo: Demo,
    *,
    seeds: int | None = None,
    folder: Path | None = None,
    workers: int | None = None,
    command: str = "",
    say: Callable[[str], None] = lambda text: None,
) -> Result:
    """Run a demonstration and return what it gave.

    Args:
        demo: from `load`.
        seeds: runs of each arm; the demonstration's own number by default.
        folder: of the runs; a new one under `outputs/` by default.
        workers: processes, as many as there are cores by default.
        command: for the picture's small print.
        say: is told of progress.

    Raises:
        ConfigError: if the words of an arm do not compose, or there are fewer than two seeds.
        TrainerError: if a run fails otherwise than by diverging.
    """
    from trainer.api import compose  # torch takes a second: not for a list or a wrong name
    from trainer.distributed import cores
    from trainer.folder import check_folder, make_folder
    from trainer.study.demos.kinds import kind_of
    from trainer.study.demos.page import page, told
    from trainer.study.demos.pool import read_arms

    count = demo.seeds if seeds is None else seeds
    if count < 2:
        raise ConfigError(f"--seeds must be 2 or more, or there is no interval; got {count}")
    kind, chosen = kind_of(demo), tuple(range(count))
    for arm in (demo.arms[0], demo.arms[-1]) if demo.axes else demo.arms:
        compose(*demo.words(arm))
    check_folder(None if folder is None else str(folder))
    place = make_folder(None if folder is None else str(folder), f"demo-{demo.name}")
    kind.run(demo, place, chosen, cores() if workers is None else workers, say)
    data = compose(*demo.words(demo.arms[0])).data.name
    facts = f"{command}   |   {data}, {count} seeds per arm   |   tricks-trainer {__version__}"
    arms = read_arms(demo, place, chosen)
    shown = kind.show(demo, arms, facts)
    return Result(shown, place, told(demo, shown), page(demo, shown, arms, command))


def tune(demo: Demo, out: Path | None) -> None:
    """Choose each arm's values again, and write what was tried."""
    from trainer.distributed import cores
    from trainer.folder import make_folder
    from trainer.study._trials import to_csv
    from trainer.study.demos.tune import tune as tuned

    if not any(arm.tune for arm in demo.arms):
        raise ConfigError(f"{demo.name} has nothing to tune: it shows every value it tries")
    folder = make_folder(None, f"tune-{demo.name}")
    text = to_csv(tuned(demo, folder, cores(), progress()))
    place = out or folder
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{demo.name}.csv").write_text(text, encoding="utf-8")
    print(f"\n{text}\ntable  {place / demo.name}.csv")


def progress() -> Callable[[str], None]:
    """Return what shows progress on one line of a terminal, and nowhere else."""
    if not sys.stdout.isatty():
        return lambda text: None
    return lambda text: print(f"\r{text}", end="", flush=True)


if __name__ == "__main__":
    main()
