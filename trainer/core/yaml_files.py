"""YAML files read as plain data, within limits."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from trainer.core.errors import ConfigError

MAX_BYTES = 256_000

MAX_DEPTH = 40

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast


def flat(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys of a tree's leaves."""
    keys: list[str] = []
    for key, value in tree.items():
        nested = isinstance(value, dict) and value
        keys += flat(value, f"{prefix}{key}.") if nested else [f"{prefix}{key}"]
    return keys


def leaf(tree: Mapping[str, Any], key: str) -> Any:
    """Return the value under a dotted key."""
    value: Any = tree
    for part in key.split("."):
        value = value[part]
    return value


def is_within(key: str, keys: Collection[str]) -> bool:
    """Return whether a dotted key is one of some keys, or below one."""
    return any(key == k or key.startswith(f"{k}.") for k in keys)


def check_events(path: Path, events: Iterable[yaml.Event]) -> None:
    """Raise ConfigError for aliases, and for nesting so deep that the loader would overflow."""
    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"{path} holds YAML aliases, which configurations may not")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(f"{path} is nested deeper than {MAX_DEPTH}: not a configuration")


def check_keys(path: Path, node: yaml.Node | None) -> None:
    """Raise ConfigError if a key stands twice in one place: the first value would be lost."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                line = key.start_mark.line + 1
                raise ConfigError(f"{path}, line {line}: the key '{key.value}' stands there twice")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
            check_keys(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            check_keys(path, item)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML file of configuration as plain data; raise ConfigError if it cannot be read.

    Anchors, aliases and more than 256 kB are refused: a few lines of aliases can fill the memory.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is larger than 256 kB: not a configuration")
        text = path.read_text(encoding="utf-8")
        if text.startswith("\ufeff"):  # before which Hydra does not see the line '# @package'
            raise ConfigError(f"{path} begins with a byte-order mark: save it as UTF-8 without one")
        check_events(path, yaml.parse(text, Loader=Loader))
        loader = Loader(text)
        try:
            node = loader.get_single_node()
            check_keys(path, node)
            content = None if node is None else loader.construct_document(node)  # plain data only
        finally:
            loader.dispose()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"cannot read {path}: {reason}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values")
    return content
