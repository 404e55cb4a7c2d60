"""The configuration that a run recorded, read as data and composed like a command line."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore

from trainer.composition import not_built as pending
from trainer.composition.search_path import SEAMS
from trainer.composition.tree import is_from_1_4
from trainer.core.convert import shown
from trainer.core.errors import ConfigError, NotFound
from trainer.core.files import dangling
from trainer.core.yaml_files import flat, leaf, read_yaml
from trainer.record.runs import read_summary

REPLAYED = "recorded_run"  # name under which Hydra finds it, in the group `experiment`


def read_recorded(run: Path) -> dict[str, Any]:
    """Return a run's recorded configuration as plain data.

    Raises:
        NotFound: if there is no such run.
        ConfigError: if its configuration cannot be read, or holds what no recorded configuration
            holds.
    """
    file = run / "config.yaml"
    if not file.is_file():
        if (run / "sweep.yaml").is_file():
            raise NotFound(f"{run} is a sweep: name one of its runs, such as {run / '0'}")
        nowhere = dangling(run)
        raise NotFound(f"no run at {run}: {nowhere or f'there is no {file.name} in it'}")
    tree = read_yaml(file)
    check_recorded(tree, file)
    return tree


def with_planned_steps(tree: dict[str, Any], run: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the configuration of a run that is to be repeated: where `max_time` planned its steps,
    with the plan that it recorded in place of the time, unless the line names another length.

    Raises:
        NotFound: if that run did not come to its end, and so to a plan.
    """
    named = {override.partition("=")[0].lstrip("+") for override in overrides}
    if tree.get("max_time") is None or named & {"max_time", "time_plan"}:
        return tree
    summary = read_summary(run)
    planned = summary.get("planned")
    plan = planned.get("time_plan") if isinstance(planned, dict) else None
    if summary.get("status") not in ("completed", "diverged") or not isinstance(plan, str):
        raise NotFound(
            f"repeat={run}: max_time={tree['max_time']} planned the steps of that run, which did "
            "not come to its end and so has no plan to repeat: go on with it by resume=, or name "
            "the time anew on the line"
        )
    return {**tree, "max_time": None, "time_plan": plan}


def check_recorded(tree: Any, file: Path) -> None:
    """Raise ConfigError for keys and values that would do more than be data: `_target_`,
    interpolations, plugins."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if not isinstance(key, str) or key.startswith("_") or key in ("defaults", "hydra"):
                raise ConfigError(f"{file}: key '{key}' is not allowed in a recorded configuration")
            check_recorded(value, file)
    elif isinstance(tree, list):
        for value in tree:
            check_recorded(value, file)
    elif isinstance(tree, str) and ("${" in tree or tree == "???"):
        what = "interpolation" if "${" in tree else "a value that is missing,"
        raise ConfigError(
            f"{file}: {what} '{tree[:60]}' is not allowed in a recorded configuration"
        )


def check_named(group: str, key: str | None, part: Any) -> None:
    """Raise ConfigError unless a recorded part is keys and values with the name of a choice, which
    is `key` where the group may hold several."""
    where = group if key is None else f"{group}.{key}"
    name = part.get("name") if isinstance(part, dict) else None
    if not isinstance(name, str) or key not in (None, name):
        wanted = "the name of a choice" if key is None else f"'{key}'"
        raise ConfigError(
            f"the recorded configuration's {where}.name must be {wanted}, got {shown(name)}"
        )
    pending.check_name(group, name)


def store_replayed(tree: Mapping[str, Any]) -> None:
    """Make a recorded run a preset of Hydra's: its choices, then its values."""
    choices: list[dict[str, Any]] = []
    for group in SEAMS:
        part = tree.get(group)
        if not isinstance(part, dict):
            raise ConfigError(f"the recorded configuration has no {group}")
        for key, of in part.items() if group == "augment" else [(None, part)]:
            check_named(group, key, of)
        choices.append({f"override /{group}": list(part) if group == "augment" else part["name"]})
    values = {key: value for key, value in tree.items() if key != "plugins"}
    node = {"defaults": [*choices, "_self_"], **values}
    # Hydra 1.4 warns of what takes another's place unless told that it should
    replaced: dict[str, Any] = {"replace": True} if is_from_1_4(hydra.__version__) else {}
    ConfigStore.instance().store(
        group="experiment", name=REPLAYED, node=node, package="_global_", **replaced
    )


def check_agrees(
    config: Mapping[str, Any], recorded: Mapping[str, Any], allow: Collection[str]
) -> None:
    """Raise ConfigError if words beside resume= change the run in what `resume_allow` does not
    name."""
    free = {
        "plugins",
        "data.workers",
        "lint",
        *(key for key in ("threads", "device") if key in allow),
    }
    groups = ("strategy",) if "world_size" in allow else ()
    before = {key: leaf(recorded, key) for key in flat(recorded)}
    changed = {
        key: f"{key}={leaf(config, key)} (was {before[key]})"
        for key in flat(config)
        if key not in free
        and key.split(".")[0] not in groups
        and key in before  # a key that is newer than the record is compared with the checkpoint
        and leaf(config, key) != before[key]
    }
    if changed:
        fitting = sorted({"threads", "device"} & changed.keys())
        close = f", or resume_allow=[{','.join(fitting)}] to go on all the same" if fitting else ""
        raise ConfigError(
            f"resume= takes a run's configuration whole; these differ: "
            f"{', '.join(changed.values())}. Use fork= for a new run from its state, repeat= for "
            f"one from its beginning{close}"
        )
