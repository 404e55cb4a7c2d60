"""What stands beside an arm in a picture, where there is room for a few lines."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from trainer.analysis._arms import Arm

WIDTH, MOST_LINES = 34, 3  # characters, lines
# Words of a command line that say how a run is carried out, not what it is.
CARRYING_OUT = ("seed=", "name=", "report_test=", "threads=", "device=", "data.root=", "+sweep=")


def names_of(arms: Sequence[Arm]) -> list[str]:
    """Return a name for each arm, in lines.

    That is its label. Where some would take more than a few lines, all are called by what their
    command lines said, as far as these differ and suffice; else by the words of their label that
    the fewest others share, after their number in the order of the table.
    """
    labels = [arm.label for arm in arms]
    if all(fits(label) for label in labels):
        return [filled(label) for label in labels]
    said = said_names(arms)
    if all(said) and len(set(said)) == len(said) and all(fits(text) for text in said):
        return [filled(text) for text in said]
    shared = Counter(word for label in labels for word in label.split())
    rare = [sorted(label.split(), key=lambda word: shared[word]) for label in labels]
    return [filled(f"{i}: {' '.join(words)}") for i, words in enumerate(rare, start=1)]


def said_names(arms: Sequence[Arm]) -> list[str]:
    """Return what the command line of each arm said that not all of them did; nothing for an arm
    whose runs were called differently."""
    said = [words_said(arm) for arm in arms]
    common = set(said[0]).intersection(*said[1:]) if said else set()
    return [" ".join(word for word in words if word not in common) for words in said]


def words_said(arm: Arm) -> tuple[str, ...]:
    """Return the words of the command line that all runs of an arm share; a preset by its name."""
    lines = {
        tuple(
            str(word).lstrip("+").removeprefix("experiment=")
            for word in run.summary.get("overrides") or ()
            if not str(word).startswith(CARRYING_OUT)
        )
        for run in arm.runs
    }
    return lines.pop() if len(lines) == 1 else ()


def fits(text: str) -> bool:
    """Return whether a text takes no more than a few lines."""
    return len(textwrap.wrap(text, WIDTH)) <= MOST_LINES


def filled(text: str) -> str:
    """Return a text in lines, cut off where they would be too many."""
    return textwrap.fill(text, WIDTH, max_lines=MOST_LINES, placeholder=" ...")
