"""The values of a composed configuration, checked as a run's are, by as few imports as will do."""

import math
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from trainer.composition.compose import Composed
from trainer.composition.search_path import SEAMS
from trainer.explain.schedule import why_not
from trainer.explain.topic import Topic

# Checked here where they are plain positive numbers, which takes no import of torch.
PLAIN = ("epochs", "optim.lr")


def check_values(composed: Composed, topic: Topic) -> None:
    """Raise ConfigError for a value that a run would refuse.

    What the schedule itself checks is left to it, and plain numbers need no check; all else asks
    the configuration's own parser, which imports torch.
    """
    tree = composed.tree
    drawn = any(choice.startswith("scheduler=") for choice in topic.choices)
    is_drawn = drawn and why_not(tree["scheduler"], tree["max_steps"]) is None
    for text in composed.overrides:
        key, _, value = text.lstrip("+").partition("=")
        if key in (*SEAMS, "experiment", "sweep") or (is_drawn and key.startswith("scheduler.")):
            continue
        if not (key in PLAIN and is_positive(value)):
            break
    else:
        return
    check_whole(composed)


def check_whole(composed: Composed) -> None:
    """Raise ConfigError if the configuration's own parser, which imports torch, refuses it."""
    from trainer.config.run_config import parse

    parse(OmegaConf.create(filled(composed.tree)))


def is_positive(text: str) -> bool:
    """Return whether a value is a plain positive number, far from any bound."""
    try:
        number = float(text)
    except ValueError:
        return False
    return math.isfinite(number) and 1e-12 < number < 1e5


def filled(tree: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a configuration whose missing values name a run, which an explanation needs not."""
    return {
        key: filled(value)
        if isinstance(value, dict)
        else "outputs/latest"
        if value == "???"
        else value
        for key, value in tree.items()
    }
