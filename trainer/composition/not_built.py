"""What the project's description names and is not built yet: refused as such, never ignored."""

from collections.abc import Mapping
from typing import Any

from trainer.core.errors import ConfigError
from trainer.core.yaml_files import is_within

NAMES: dict[str, tuple[str, ...]] = {
    "model": ("timm",),
}

KEYS = ("profile",)


SUBCOMMANDS = ("push", "schema")


def check_subcommand(name: str) -> None:
    """Raise ConfigError if a subcommand is one of those not built yet."""
    if name in SUBCOMMANDS:
        raise ConfigError(f"the subcommand {name} is not built yet in this version")


def check_key(key: str) -> None:
    """Raise ConfigError if a key is one of those not built yet."""
    if is_within(key, KEYS):
        raise ConfigError(f"{key} is not built yet in this version")


def check_name(group: str, name: str) -> None:
    """Raise ConfigError if a group's choice is one of those not built yet."""
    if name in NAMES.get(group, ()):
        raise ConfigError(f"{group}={name} is not built yet in this version")


def check_tree(tree: Mapping[str, Any]) -> None:
    """Raise ConfigError if a whole configuration holds a key or choice that is not built yet."""
    for key, value in tree.items():
        check_key(key)
        name = value.get("name") if isinstance(value, dict) else value
        if isinstance(name, str):
            check_name(key, name)
        if isinstance(value, dict):
            for inner in value:
                check_key(f"{key}.{inner}")
                if key == "augment":
                    check_name(key, inner)
