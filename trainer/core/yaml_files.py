"""YAML files read as plain data, within limits."""

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from trainer.core.errors import ConfigError
from trainer.core.file_kinds import HEAD, kind_of_head

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
    text = ""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is larger than 256 kB: not a configuration")
        text = text_of(path)
        check_events(path, yaml.parse(text, Loader=Loader))
        loader = Loader(text)
        try:
            node = loader.get_single_node()
            check_keys(path, node)
            content = None if node is None else loader.construct_document(node)  # plain data only
        finally:
            loader.dispose()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {path}{reason_of(error, text)}") from error
    if not isinstance(content, dict):
        kind = kind_of_head(text.encode()[:HEAD])
        what = "" if kind in (None, "text") or not text.strip() else f", and is {kind}"
        raise ConfigError(f"{path} must hold keys and values{what}")
    return content


def text_of(path: Path) -> str:
    """Return the text of a YAML file; raise ConfigError where it is another kind of file, or text
    that YAML would not read as it looks."""
    content = path.read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        kind = kind_of_head(content[:HEAD])
        if kind is not None:
            raise ConfigError(f"{path} is {kind}; a configuration is text in UTF-8") from error
        place = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {place}, is not UTF-8: save it as UTF-8") from error
    if text.startswith("\ufeff"):  # before which Hydra does not see the line '# @package'
        raise ConfigError(f"{path} begins with a byte-order mark: save it as UTF-8 without one")
    for number, line in enumerate(text.split("\n"), 1):
        odd = line[: len(line) - len(line.lstrip())].strip(" \t\r")
        if odd:
            raise ConfigError(
                f"{path}, line {number}, is indented by {unicodedata.name(odd[0], ascii(odd[0]))}, "
                "which only looks like a blank: type blanks"
            )
    return text


def reason_of(error: Exception, text: str) -> str:
    """Return where and why a YAML file of such text cannot be read, to follow its name."""
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return f": {(str(error).splitlines() or [type(error).__name__])[0]}"
    line = (text.split("\n")[mark.line :] or [""])[0]
    has_tab = "\t" in line[: len(line) - len(line.lstrip())]
    said = " ".join(filter(None, (error.context, error.problem)))
    return f", line {mark.line + 1}: {said}{'; indent with blanks, not tabs' if has_tab else ''}"
