"""How tricks work, drawn from runs: one module for each mechanism.

A module has `see(study, runs)`, which returns what happens, as numbers, and `draw(panel, seen,
share)`, which draws it: with `share` below 1 as far as it had come.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from trainer.core.errors import unknown
from trainer.record.runs import RunRow
from trainer.study.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure


class Mechanism(Protocol):
    """A module of this package."""

    def see(self, study: Study, runs: Sequence[RunRow]) -> Any:
        """Return what happens in a run of a study, as numbers.

        Args:
            study: whose overrides it follows.
            runs: of the study, finished.
        """

    def draw(self, panel: SubFigure, seen: Any, share: float = 1.0) -> None:
        """Draw it, or the first `share` of it."""


def names() -> list[str]:
    """Return every mechanism's name."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str) -> Mechanism:
    """Return a mechanism; raise ConfigError if there is none of that name."""
    if name not in names():
        raise unknown("mechanism", name, names())
    module: Any = importlib.import_module(f"{__name__}.{name}")
    return module  # type: ignore[no-any-return]
