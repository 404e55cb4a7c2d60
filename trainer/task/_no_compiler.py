"""Building a network and its optimizer without torch's compiler, whose import takes a second."""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


class Absent(ModuleType):
    """Stands for torch's compiler where nothing is compiled.

    `torch.optim` imports it to keep it from looking into an optimizer: to mark functions that it is
    to leave alone, and places where it is to stop. Without it there is nothing to mark. Whatever
    else is asked of it, the real one answers.
    """

    def disable(self, fn: Any = None, *_: Any, **__: Any) -> Callable[..., Any]:
        """Return a function as it is."""
        return fn if fn is not None else lambda function: function

    def graph_break(self, *_: Any, **__: Any) -> None:
        """Stop nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by the import system itself
            raise AttributeError(name)
        if sys.modules.get(NAME) is self:
            del sys.modules[NAME]
        return getattr(importlib.import_module(NAME), name)


@contextlib.contextmanager
def no_compiler() -> Iterator[None]:
    """Keep torch from importing its compiler, unless that is there already, or is needed."""
    if NAME in sys.modules:
        yield
        return
    absent = Absent(NAME)
    sys.modules[NAME] = absent
    try:
        yield
    finally:
        if sys.modules.get(NAME) is absent:
            del sys.modules[NAME]
