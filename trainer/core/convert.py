"""From plain values, as YAML and the command line give them, to typed fields of frozen dataclasses.

Strict: a wrong type is an error that names the key, the value and what is allowed; nothing is
guessed, except that a float without a fraction is a whole number (YAML reads `1e3` as a float) and
a whole number is a float.
"""

import functools
import math
import re
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, Literal, Self, TypeVar, Union

from trainer.core.errors import ConfigError, unknown
from trainer.core.registry import Choice, Registry

T = TypeVar("T")

OFF = ("none", "off", "no", "nil", "false", "disable", "disabled", "-1")  # tried for null


class Written(ABC):
    """A value with a spelling of its own: `parse` reads it, `str()` writes it back."""

    @classmethod
    @abstractmethod
    def parse(cls, value: object, key: str) -> Self:
        """Return the value that a user wrote under `key`; raise ConfigError if it is not one."""

    def plain(self) -> Any:
        """Return the YAML form: the text, as a number where it is a whole one."""
        text = str(self)
        return int(text) if text.isdecimal() else text


# looked up for each job of a sweep
hints_of: Callable[[type], dict[str, Any]] = functools.cache(typing.get_type_hints)


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Return `cls` made from `values`, every field converted to its declared type.

    Args:
        cls: a dataclass.
        values: plain values by field name.
        where: dotted key of the mapping, for messages; empty for the top level.

    Raises:
        ConfigError: for an unknown key, a missing one or a value of the wrong type or range.
    """
    hints = hints_of(cls)
    names = [f.name for f in fields(cls) if f.init]  # type: ignore[arg-type]  # cls is a dataclass
    prefix = f"{where}." if where else ""
    check_known(values, names, where)
    made: dict[str, Any] = {}
    for field in fields(cls):  # type: ignore[arg-type]
        if field.name in values:
            made[field.name] = convert(
                hints[field.name], values[field.name], f"{prefix}{field.name}"
            )
        elif field.init and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(
                f"{prefix}{field.name} is missing: it must be {allowed(hints[field.name])}"
            )
    return cls(**made)


def check_known(keys: Iterable[str], known: Sequence[str], where: str) -> None:
    """Raise ConfigError for a key of a mapping, whose dotted key is `where`, that is unknown."""
    prefix = f"{where}." if where else ""
    for key in keys:
        if key not in known:
            raise unknown("key", f"{prefix}{key}", [f"{prefix}{name}" for name in known])


def build_choice(
    registry: Registry[Any], values: Mapping[str, Any], where: str
) -> Choice[Any, Any]:
    """Return the choice that a group's mapping describes: `name`, the shared keys and the
    component's own; `where` is its dotted key, for messages.

    Raises:
        ConfigError: as `build`, and for a name that the group does not have.
    """
    values = dict(values)
    name = values.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError(
            f"{where}.name is missing: it must be one of {', '.join(registry.names())}"
        )
    component = registry.load(name)
    shared_names = [f.name for f in fields(registry.shared)]
    own_names = [f.name for f in fields(component) if f.init]
    check_known(values, (*shared_names, *own_names), where)
    shared = {key: values[key] for key in shared_names if key in values}
    own = {key: values[key] for key in own_names if key in values and key not in shared_names}
    return Choice(name, build(registry.shared, shared, where), build(component, own, where))


def plain_choice(choice: Choice[Any, Any]) -> dict[str, Any]:
    """Return a choice as its group's YAML holds it."""
    parts = (choice.shared, choice.component)
    keys = {f.name: plain(getattr(part, f.name)) for part in parts for f in fields(part) if f.init}
    return {"name": choice.name, **keys}


def convert(kind: Any, value: Any, key: str) -> Any:
    """Return `value` as `kind`, or raise ConfigError naming key, value and what is allowed."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{key} must be text without zero bytes, got {value!a:.80}")
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        words = [a for a in args if typing.get_origin(a) is Literal]
        if any(isinstance(value, str) and value in typing.get_args(a) for a in words):
            return value
        (inner,) = [a for a in args if a is not type(None) and a not in words]
        try:
            return convert(inner, value, key)
        except ConfigError as error:
            if words:
                raise ConfigError(f"{key} must be {allowed(kind)}, got {shown(value)}") from error
            if str(value).lower() in OFF:
                raise ConfigError(f"{error}; null switches it off: {key}=null") from error
            raise
    if origin is Literal:
        if isinstance(value, str) and value in args:
            return value
        if isinstance(value, str):
            raise unknown(f"{key}", value, [str(a) for a in args])
    elif origin is tuple and isinstance(value, (list, tuple)):
        if args[-1] is Ellipsis:
            return tuple(convert(args[0], v, f"{key}[{i}]") for i, v in enumerate(value))
        if len(value) == len(args):
            return tuple(
                convert(a, v, f"{key}[{i}]")
                for i, (a, v) in enumerate(zip(args, value, strict=True))
            )
    elif origin is Mapping and isinstance(value, Mapping):
        return {str(k): v for k, v in value.items()}  # plain; the component checks them
    elif isinstance(kind, type) and issubclass(kind, Written):
        return kind.parse(value, key)
    elif (kind is bool and isinstance(value, bool)) or (kind is str and isinstance(value, str)):
        return value
    elif kind in (int, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not is_finite(value):
            raise ConfigError(f"{key} must be finite, got {shown(value)}")
        if kind is int and abs(value) >= 2**63:
            raise ConfigError(f"{key} must be below 2**63, got {shown(value)}")
        if kind is float or isinstance(value, int) or value.is_integer():
            return kind(value)
    raise ConfigError(f"{key} must be {allowed(kind)}, got {shown(value)}")


def is_finite(value: float) -> bool:
    """Return whether a number is a finite float; whole numbers may be too large for one."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def allowed(kind: Any) -> str:
    """Return, in words, what a field of type `kind` takes."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(allowed(a) for a in args)
    if origin is Literal:
        return ("one of " if len(args) > 1 else "") + ", ".join(str(a) for a in args)
    if origin is tuple:
        inner = allowed(args[0]) if args[-1] is Ellipsis else ", ".join(allowed(a) for a in args)
        return f"a list of {inner}"
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        type(None): "null",
    }
    return words.get(kind, f"a {getattr(kind, '__name__', kind)}".lower())


def shown(value: object) -> str:
    """Return a value as a user would recognise it in a message, shortened."""
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def typed(value: Any) -> str:
    """Return a value of a configuration as it is typed on a command line: `null`, `true`, `1`,
    `1e-5`, `[1ep,2ep]`."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 1e15
        return str(int(value)) if whole else re.sub(r"e([+-])0*", r"e\1", repr(value))
    if isinstance(value, list | tuple):
        return f"[{','.join(map(typed, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{k}: {typed(v)}' for k, v in value.items())}}}"
    return str(value)


def plain(value: Any) -> Any:
    """Return the YAML form of a converted value: the inverse of `convert`."""
    if isinstance(value, Written):
        return value.plain()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value
