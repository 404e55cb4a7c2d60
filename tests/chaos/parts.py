"""Attack: sweeps over parts. Whatever pairs of choices, keys and values a line has, its jobs are
those that composing each of them alone gives, or one message refuses the line."""

from __future__ import annotations

import itertools
import random
from typing import Any

from tests.chaos.trial import Arena
from trainer.composition.check_overrides import known_keys
from trainer.composition.compose import Composer
from trainer.composition.overrides import TEXT_KEYS, values_of
from trainer.composition.search_path import SEAMS, Sources
from trainer.core.errors import ConfigError
from trainer.sweep.plan import plan_sweep

QUICK, FULL = 40, 400
LINES = 25  # of each trial

VALUES = ("0.5", "1", "0", "true", "null", "5ep", "10%", "none", "x", "'a,b'", "[1,2]", "{a: 1}")
MORE = {"seed": ("1", "2"), "epochs": ("1", "0.5"), "clip_norm": ("null", "1")}


def line_of(composer: Composer, draw: random.Random) -> list[tuple[str, list[str]]]:
    """Return keys and the values that each is swept over, one or several."""
    words: list[tuple[str, list[str]]] = []
    groups = draw.sample([g for g in SEAMS if g not in ("task", "data")], draw.randrange(1, 3))
    for group in groups:
        options = composer.sources.options(group)
        words.append((group, draw.sample(options, min(len(options), draw.randrange(1, 4)))))
    for group in groups:
        name = draw.choice(composer.sources.options(group))
        word = f"[{name}]" if group == "augment" else name
        _, choices, _ = composer.split([f"{group}={word}"])
        try:
            keys = [k for k in known_keys(composer.base(choices).tree) if k.startswith(f"{group}.")]
        except ConfigError:
            keys = []
        for key in draw.sample(keys, min(len(keys), draw.randrange(2))):
            words.append((key, draw.sample(VALUES, draw.randrange(1, 3))))
    for key in draw.sample(sorted(MORE), draw.randrange(2)):
        words.append((key, list(MORE[key])))
    if draw.random() < 0.1:
        words.append((f"{words[-1][0]}x", ["1"]))
    draw.shuffle(words)
    return words


def values_on_the_line(key: str, values: list[str]) -> list[str]:
    """Return the values that a word has in a sweep: a comma within a text separates two, but for
    one within quotes, as the contract has it."""
    return values_of(",".join(values)) if key in TEXT_KEYS else values


def alone(composer: Composer, words: tuple[str, ...]) -> Any:
    """Return the configuration of one job composed by itself, or the message that refuses it."""
    try:
        return composer.compose(words).tree
    except ConfigError as error:
        return str(error)


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Plan sweeps, and compose each of their jobs alone."""
    composer, fresh = Composer(Sources()), Composer(Sources())
    jobs = refused = 0
    for _ in range(LINES):
        words = line_of(composer, draw)
        line = [f"{key}={','.join(values)}" for key, values in words]
        grid = itertools.product(
            *([(key, v) for v in values_on_the_line(key, values)] for key, values in words)
        )
        wanted = [alone(fresh, tuple(f"{k}={v}" for k, v in pairs)) for pairs in grid]
        try:
            plan = plan_sweep(line, composer)
        except ConfigError as error:
            message = str(error)
            wrong = [found for found in wanted if isinstance(found, str)]
            assert wrong, f"refused, though each job composes: {line}: {message}"
            assert "Traceback" not in message, message
            assert "Could not override" not in message, message
            refused += 1
            continue
        assert len(plan.jobs) == len(wanted), f"{len(plan.jobs)} jobs of {line}"
        for job, tree in zip(plan.jobs, wanted, strict=True):
            found = alone(composer, job.overrides)
            assert found == tree, f"{line}: {job.overrides}: {found} is not {tree}"
        jobs += len(wanted)
    arena.count("sweeps over parts", LINES)
    return f"{LINES} sweeps: {jobs} jobs as alone, {refused} lines refused"
