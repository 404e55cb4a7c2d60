"""Names on the command line and the classes behind them.

A name is found by its file: `scheduler=cosine` is `trainer/scheduler/cosine.py`. Only chosen
modules are imported, so a new component needs no edit of an existing file. Names that differ in a
number alone share a module, which the group's registry lists.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from trainer.core.errors import unknown

PACKAGE = Path(__file__).resolve().parents[1]

T = TypeVar("T")

C = TypeVar("C", bound=type)

Shared = TypeVar("Shared")

Component = TypeVar("Component")


@dataclass(frozen=True)
class Choice(Generic[Shared, Component]):
    """What the configuration chose in one group: a registered name, the keys that every choice has,
    and the component itself, built from its own."""

    name: str
    shared: Shared
    component: Component


class Registry(Generic[T]):
    """The components of one group, by name.

    Args:
        group: name of the config group, of the package that holds the modules, and of the word on
            the command line.
        shared: frozen dataclass of the keys that every choice of the group has.
        aliases: modules of the package that hold names other than their own, with those names.
    """

    def __init__(
        self, group: str, shared: type[Any], aliases: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.group = group
        self.shared = shared
        self._aliases = {n: module for module, names in (aliases or {}).items() for n in names}
        self._classes: dict[str, type[Any]] = {}

    def register(self, name: str) -> Callable[[C], C]:
        """Return a decorator that puts a frozen dataclass under `name`."""

        def add(cls: C) -> C:
            known = self._classes.get(name)
            if known is not None and known.__module__ != cls.__module__:
                raise ValueError(f"{self.group}={name} is registered by {known.__module__} already")
            self._classes[name] = cls
            return cls

        return add

    def names(self) -> list[str]:
        """Return every name, built in or registered by a plugin, without importing a component."""
        files = (PACKAGE / self.group).glob("*.py")
        built_in = {f.stem for f in files if not f.stem.startswith("_") and f.stem != "base"}
        return sorted(built_in | set(self._aliases) | set(self._classes))

    def module_of(self, name: str) -> str:
        """Return the dotted name of the module that registers a built-in name."""
        return f"trainer.{self.group}.{self._aliases.get(name, name)}"

    def load(self, name: str) -> type[T]:
        """Return the class registered under `name`, importing its module if need be.

        Raises:
            ConfigError: if no component has that name.
        """
        if name not in self._classes:
            if name not in self.names():
                raise unknown(self.group, name, self.names())
            importlib.import_module(self.module_of(name))
        return self._classes[name]

    def registered(self) -> Mapping[str, type[Any]]:
        """Return what is imported so far, by name."""
        return dict(self._classes)
