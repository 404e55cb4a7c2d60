"""The tree of plain values that choices compose to, by Hydra's rules of defaults lists."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import hydra
import yaml
from hydra import version
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.structured_config_source import StructuredConfigSource
from hydra._internal.defaults_list import create_defaults_list
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.default_element import GroupDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainer.composition.search_path import SEAMS, Sources
from trainer.core.errors import ConfigError, nearest, unknown
from trainer.core.yaml_files import read_yaml

Tree = dict[str, Any]

PARSER = OverridesParser.create()


def is_from_1_4(number: str) -> bool:
    """Return whether a version of Hydra is 1.4 or later, a release candidate of it included."""
    return tuple(int(part) for part in re.findall(r"\d+", number)[:2]) >= (1, 4)


class ConfigFiles(ConfigRepository):
    """Hydra's repository of configurations, which reads each file once.

    Args:
        sources: where configurations are looked up.
    """

    def __init__(self, sources: Sources) -> None:
        for kind in (FileConfigSource, StructuredConfigSource):
            SourcesRegistry.instance().register(kind)
        if not is_from_1_4(hydra.__version__):
            version.setbase("1.3")
        path = ConfigSearchPathImpl()
        for folder in sources.folders():
            path.append("trainer", f"file://{folder.absolute()}")
        path.append("schema", "structured://")
        super().__init__(path)
        self.place = sources
        self.loaded: dict[str, ConfigResult | None] = {}
        self.trees: dict[str, Tree] = {}
        self.parts: dict[tuple[str, str], Tree] = {}

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Return a configuration as Hydra reads it, or None; raise ConfigError if it cannot be
        read."""
        if config_path not in self.loaded:
            file = self.place.file(config_path)
            if file is not None:
                read_yaml(file)  # within limits
            try:
                self.loaded[config_path] = super().load_config(config_path)
            except (yaml.YAMLError, ValueError, HydraException, OmegaConfBaseException) as error:
                reason = " ".join(str(error).split())
                raise ConfigError(f"cannot read {file or config_path}: {reason}") from error
        return self.loaded[config_path]

    def tree(self, config_path: str) -> Tree:
        """Return the values of a configuration, without its defaults list."""
        if config_path not in self.trees:
            loaded = self.load_config(config_path)
            assert loaded is not None  # it stands in a defaults list that was resolved
            values = OmegaConf.to_container(loaded.config, resolve=False)
            if not isinstance(values, dict):
                raise ConfigError(f"{self.place.file(config_path)} must hold keys and values")
            self.trees[config_path] = {str(key): value for key, value in values.items()}
        return self.trees[config_path]

    def keys(self, group: str, name: str) -> Tree:
        """Return the keys of one choice, and values as its file has them."""
        file = self.place.file(f"{group}/{name}")
        content = {} if file is None else read_yaml(file)
        is_whole = "defaults" not in content and content.get("name", name) == name
        return content if is_whole else self.part(group, name)

    def part(self, group: str, name: str) -> Tree:
        """Return the values of one choice: a file of the user's has all keys of the project's that
        it names."""
        if (group, name) not in self.parts:
            own, _ = self.compose(f"{group}/{name}", ())
            values = own.get(group, own)
            values = values.get(name, values) if group == "augment" else values
            base = values.get("name", name)
            built_in = f"{group}/{base}"
            if base != name and self.place.file(built_in) is not None:
                values = {**self.part(group, base), **values}
            self.parts[group, name] = values
        return self.parts[group, name]

    def compose(self, primary: str, choices: Sequence[str]) -> tuple[Tree, dict[str, str]]:
        """Return what a primary configuration and words that choose parts compose to, and the name
        chosen in each group.

        Raises:
            ConfigError: for a choice that a file makes and that does not exist.
        """
        try:
            found = create_defaults_list(
                self,
                primary,
                PARSER.parse_overrides(list(choices)),
                prepend_hydra=False,
                skip_missing=False,
            )
        except (HydraException, OmegaConfBaseException, ValueError, AssertionError) as error:
            raise explained(error, self.place, self.chooser(error)) from error
        tree: Tree = {}
        for default in found.defaults:
            if default.config_path is not None:
                values: Tree = self.tree(default.config_path)
                for part in reversed((default.package or "").split(".")):
                    values = {part: values} if part not in ("", "_global_") else values
                merge(tree, values)
        names = {group: str(name) for group, name in found.overrides.known_choices.items()}
        return tree, names

    def chooser(self, error: Exception) -> str:
        """Return the configuration that chose what Hydra cannot find, empty where none did."""
        missing = getattr(error, "missing_cfg_file", None) or ""
        for path, loaded in self.loaded.items():
            for default in (loaded.defaults_list or ()) if loaded else ():
                if isinstance(default, GroupDefault) and f"/{missing}".endswith(
                    f"/{str(default.group).strip('/')}/{default.value}"
                ):
                    return path
        return ""


def merge(tree: Tree, other: Mapping[str, Any]) -> None:
    """Put values over those of a tree, in place: mappings key by key, all else whole."""
    for key, value in other.items():
        if isinstance(value, dict):
            inner = tree.get(key)
            tree[key] = dict(inner) if isinstance(inner, dict) else {}
            merge(tree[key], value)
        else:
            tree[key] = value


def copied(value: Any) -> Any:
    """Return a tree whose mappings are its own."""
    return {k: copied(v) for k, v in value.items()} if isinstance(value, dict) else value


def explained(error: Exception, sources: Sources, path: str = "") -> ConfigError:
    """Return Hydra's refusal of a defaults list in our words: file (`path` where the error does not
    name it), mistake, what is allowed."""
    text = str(error)
    parent = re.search(r"In '([^']+)'", text)
    found = sources.file(path or (parent[1] if parent else ""))
    where = f"{found}: " if found else ""
    if isinstance(error, MissingConfigException):
        group, _, name = (error.missing_cfg_file or "").rpartition("/")
        if group:
            options = error.options or sources.options(group)
            return ConfigError(f"{where}{unknown(group, name, options)}")
        return ConfigError(f"{where}there is no configuration '{error.missing_cfg_file}'")
    # as Hydra 1.3 says it, and as 1.4 does
    wrong = re.search(r"(?:Could not override|No earlier Group Default for) '([^']+)'", text)
    if wrong:
        return ConfigError(where + misnamed(wrong[1]))
    twice = re.search(r"Multiple values for ([\w/]+)\..* '(override [^']+)'", text)
    if twice:
        chosen = twice[1]
        return ConfigError(f"{where}{chosen} is chosen already: write 'override /{chosen}: ...'")
    reason = re.sub(r"^In '[^']+': ", "", text.strip().split("\n\n")[0])
    return ConfigError(f"{where}{' '.join(reason.split()) or type(error).__name__}")


def misnamed(group: str) -> str:
    """Return what is wrong with a group that a file overrides and that no defaults list has."""
    last = group.partition("@")[0].rpartition("/")[2]
    if "." in group:
        return f"unknown key '{group}' for what was chosen"
    if group.startswith("hydra/"):
        return f"{group} is chosen on the command line: write {group}=... there"
    if last in SEAMS:
        return f"'override {last}' needs a slash: write 'override /{last}: ...'"
    match = nearest(last, SEAMS)
    hint = f"did you mean 'override /{match}'? " if match else ""
    return f"'override {last}' names no group; {hint}known: {', '.join(sorted(SEAMS))}"
