"""The page: its sources in `page/`, joined into one file that needs nothing else."""

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from trainer.record.offline import policy

TITLE = "Optimizer playground"
# In the order in which they build on each other.
SCRIPTS = (
    *("surfaces.js", "optimizers.js", "schedules.js", "simulate.js", "scenes.js", "state.js"),
    *("commands.js", "equations.js", "draw.js", "replay.js", "main.js"),
)


def page_of(trajectories: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the page.

    Args:
        trajectories: of runs, as `trajectory_of` returns them; they come before the scenes.
    """
    script = '"use strict";\n(() => {\n' + "\n".join(map(text_of, SCRIPTS)) + "})();\n"
    # no text of a run can end the element that it stands in
    data = json.dumps(list(trajectories), allow_nan=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )
    parts = {
        "title": TITLE,
        "style": text_of("page.css"),
        "script": script,
        "trajectories": data,
        "policy": policy([script]),
    }
    return re.sub(r"\{\{ (\w+) \}\}", lambda match: parts[match[1]], text_of("page.html"))


def text_of(name: str) -> str:
    """Return a source of the page."""
    return (files("trainer.playground") / "page" / name).read_text(encoding="utf-8")
