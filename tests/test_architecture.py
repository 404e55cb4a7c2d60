"""The house stays as drawn: imports point down, a name is three files, nothing runs data."""

from __future__ import annotations

import ast
import functools
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.command import ROOT

PACKAGE = ROOT / "trainer"
CONF = ROOT / "conf"
FILES = sorted(PACKAGE.rglob("*.py"))
COMPONENT_SEAMS = ("data", "augment", "model", "optim", "scheduler", "average", "mix", "loss")
THREE_FILES = (*COMPONENT_SEAMS, "task")  # a name there is a module, a YAML and a test

SEAMS = COMPONENT_SEAMS
ROOT_FILES = ("loop", "state", "metrics", "api", "__main__", "_version", "")
# A package imports from those before it, and from itself; nothing else of a file's place is fixed.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("_version", ""),
    ("core",),
    ("record",),
    ("analysis",),
    ("composition",),
    ("precision",),
    ("strategy",),
    ("data",),
    ("metrics",),
    ("evaluation",),
    SEAMS[1:],
    ("config",),
    ("lint",),
    ("state",),
    ("checkpoint",),
    ("loop",),
    ("run",),
    ("task",),
    ("sweep",),
    ("api",),
    ("study",),
    ("playground",),
    ("explain",),
    ("cli",),
    ("__main__",),
)
FLOOR = {name: i for i, names in enumerate(FLOORS) for name in names}


def module_of(file: Path) -> str:
    """Return a file's dotted name below `trainer`: `mix.mixup`, `cli`, `` for the package."""
    parts = list(file.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}


@functools.cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported(file: Path) -> set[str]:
    """Return the project's modules that a file imports anywhere, functions included."""
    found: set[str] = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found |= {a.name.partition("trainer.")[2] for a in node.names if is_ours(a.name)}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            if node.module and is_ours(node.module):
                base = node.module.partition("trainer")[2].strip(".")
                for alias in node.names:
                    inner = f"{base}.{alias.name}".strip(".")
                    found.add(inner if inner in MODULES else base)
    return found


def is_ours(name: str) -> bool:
    return name == "trainer" or name.startswith("trainer.")


def top(module: str) -> str:
    return module.split(".", 1)[0]


@pytest.mark.slow
def test_every_file_is_found() -> None:
    assert len(FILES) >= 250
    assert {"cli.main", "loop", "mix.mixup", "sweep.jobs", "data._steps"} <= set(MODULES)
    assert imported(MODULES["loop"]) >= {"state", "metrics"}
    assert "checkpoint.format" in imported(MODULES["run.runner"])  # `import format as checkpoint`
    assert sum(len(imported(f)) for f in FILES) >= 250


def test_every_package_stands_on_a_floor_and_the_root_holds_what_is_read_first() -> None:
    assert {top(m) for m in MODULES} == set(FLOOR)
    assert {m for m, f in MODULES.items() if f.parent == PACKAGE} == set(ROOT_FILES)
    assert {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name[0] not in "._"} == {
        name for name in FLOOR if name and (PACKAGE / name).is_dir()
    }


@pytest.mark.slow
def test_imports_point_down_also_inside_functions() -> None:
    wrong = []
    for module, file in MODULES.items():
        if not module:  # the package itself imports lazily, from its top
            continue
        for target in imported(file):
            if FLOOR[top(target)] > FLOOR[top(module)]:
                wrong.append(f"{module} imports {target}")
    assert wrong == []


def test_core_imports_nothing_of_ours() -> None:
    for module, file in MODULES.items():
        if top(module) == "core":
            assert {t for t in imported(file) if top(t) not in ("core", "_version")} == set(), (
                module
            )


@pytest.mark.slow
def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {m: imported(f) - {""} for m, f in MODULES.items() if m}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for target in sorted(graph[module]):
                visit(target, (*path, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_analysis_reads_the_record_alone() -> None:
    for module, file in MODULES.items():
        if top(module) == "analysis":
            others = {t for t in imported(file) if top(t) not in ("core", "record", "analysis", "")}
            assert others == set(), module


def test_components_import_no_other_component() -> None:
    checked = 0
    for module, file in MODULES.items():
        seam, _, name = module.partition(".")
        if seam not in COMPONENT_SEAMS or not name:
            continue
        checked += 1
        for target in imported(file):
            if top(target) not in COMPONENT_SEAMS:
                continue
            other_seam, _, other = target.partition(".")
            is_base = other in ("", "base")  # the package exports what an author needs
            is_shared = other_seam == seam and other.startswith("_")
            assert is_base or is_shared, f"{module} imports the component {target}"
    assert checked >= 60


@pytest.mark.slow
def test_fixed_parts_and_the_loop_know_no_component() -> None:
    for module, file in MODULES.items():
        if top(module) not in COMPONENT_SEAMS:
            for target in imported(file):
                seam, _, name = target.partition(".")
                if seam in THREE_FILES and name:
                    assert name == "base" or name.startswith("_"), f"{module} imports {target}"


def test_the_loop_neither_prints_nor_reads_files_nor_compares_names() -> None:
    for module in ("loop", "state"):
        for node in ast.walk(tree(MODULES[module])):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("open", "print"), module
            if isinstance(node, ast.Compare):
                attributes = [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)]
                assert "name" not in attributes, f"{module}:{node.lineno}"


def modules_of(group: str) -> dict[str, str]:
    """Return the registered names of a seam, each with its module: its own, or one that names of
    one kind share, as `ALIASES` of the seam's `base.py` lists them."""
    files = (PACKAGE / group).glob("*.py")
    own = {f.stem: f.stem for f in files if f.stem[0] != "_" and f.stem != "base"}
    aliases = getattr(importlib.import_module(f"trainer.{group}.base"), "ALIASES", {})
    return own | {name: module for module, names in aliases.items() for name in names}


@pytest.mark.parametrize("group", THREE_FILES)
def test_a_name_is_a_module_a_yaml_and_a_test(group: str) -> None:
    from trainer.config.groups import REGISTRIES

    modules = modules_of(group)
    names = sorted(modules)
    registry = REGISTRIES[group]
    assert registry.names() == names
    for name in names:
        registry.load(name)
        assert registry.module_of(name) == f"trainer.{group}.{modules[name]}"
        assert registry.registered()[name].__module__ == registry.module_of(name)
    assert sorted(f.stem for f in (CONF / group).glob("*.yaml")) == names
    tests = {f.stem.removeprefix("test_") for f in (ROOT / "tests" / group).glob("test_*.py")}
    untested = {n for n in names if not tests & {n, modules[n].strip("_")}}
    assert untested == set(), "names without a test of their own"
    files = {f.stem.removeprefix("_") for f in (PACKAGE / group).glob("*.py")}
    left = tests - files - set(names)
    # `every_model`, `_cifar_resnet` and the like: of the seam, or of a module that several share
    assert {t for t in left if not t.startswith(("every_", "all_"))} == set()


def test_the_seams_are_counted() -> None:
    assert sum(len(modules_of(group)) for group in COMPONENT_SEAMS) >= 38


def own_fields(cls: Any) -> dict[str, Any]:
    """Return the fields of a component that are keys, with their defaults."""
    found = {}
    for field in fields(cls):
        if field.init:
            factory = field.default_factory
            found[field.name] = factory() if factory is not MISSING else field.default
    return found


def values_of(file: Path) -> dict[str, Any]:
    """Return a YAML file's content as Hydra reads it: `1e-8` is a number there."""
    values = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    assert isinstance(values, dict)
    return {str(k): v for k, v in values.items()}


def yaml_files() -> Iterator[tuple[str, Path]]:
    for file in sorted(CONF.rglob("*.yaml")):
        group = file.relative_to(CONF).parts[0]
        if group in THREE_FILES:
            yield group, file


@pytest.mark.slow
def test_every_yaml_holds_the_dataclass_s_fields_at_their_defaults() -> None:
    from trainer.config.groups import REGISTRIES
    from trainer.core.convert import build

    walked = 0
    for group, file in yaml_files():
        values = values_of(file)
        assert values.pop("name") == file.stem, file
        registry = REGISTRIES[group]
        component = registry.load(file.stem)
        shared, own = own_fields(registry.shared), own_fields(component)
        if file.stem == "none":  # what would have no effect is not offered
            assert values == {}, file
            continue
        assert set(values) == set(shared) | set(own), file
        made = build(component, {k: v for k, v in values.items() if k in own}, group)
        required = {k: getattr(made, k) for k, default in own.items() if default is MISSING}
        assert made == component(**required), file
        build(registry.shared, {k: v for k, v in values.items() if k in shared}, group)
        walked += 1
    assert walked >= 32


def test_the_primary_yaml_holds_the_run_s_fields() -> None:
    from trainer.composition.search_path import SEAMS
    from trainer.config.run_config import CheckpointConfig, RunConfig
    from trainer.core.convert import build

    base = values_of(CONF / "config.yaml")
    defaults, hydra = base.pop("defaults"), base.pop("hydra")
    assert [next(iter(d)) for d in defaults if isinstance(d, dict)] == list(SEAMS)
    assert set(base) | set(SEAMS) == {f.name for f in fields(RunConfig)}
    assert build(CheckpointConfig, base["checkpoint"], "checkpoint") == CheckpointConfig()
    assert hydra["output_subdir"] is None
    assert hydra["job"]["chdir"] is False


def test_groups_without_modules_offer_the_names_that_the_configuration_takes() -> None:
    from trainer.precision.formats import NAMES
    from trainer.strategy.keys import KEYS

    for group, names in {"precision": NAMES, "strategy": tuple(KEYS)}.items():
        assert sorted(names) == sorted(f.stem for f in (CONF / group).iterdir())


def test_nothing_pending_exists() -> None:
    from trainer.composition import not_built as pending
    from trainer.composition.search_path import Sources
    from trainer.core.yaml_files import flat, read_yaml

    sources = Sources()
    for group, names in pending.NAMES.items():
        assert set(names) & set(sources.options(group)) == set(), group
    keys = set(flat(read_yaml(CONF / "config.yaml")))
    for group, file in yaml_files():
        keys |= {f"{group}.{key}" for key in flat(read_yaml(file))}
    assert set(pending.KEYS) & keys == set()


BANNED_MODULES = {"pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
BANNED_CALLS = {"eval", "exec", "compile", "__import__"}


@pytest.mark.slow
def test_nothing_unpickles_instantiates_or_executes_what_it_reads() -> None:
    loads = 0
    for file in [*FILES, *sorted((ROOT / "scripts").rglob("*.py"))]:
        for node in ast.walk(tree(file)):
            where = f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                assert not {a.name.split(".")[0] for a in node.names} & BANNED_MODULES, where
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in BANNED_MODULES, where
                assert "instantiate" not in {a.name for a in node.names}, where
            elif isinstance(node, ast.Constant) and node.value == "_target_":
                pytest.fail(f"{where}: _target_")
            elif isinstance(node, ast.Name):
                assert node.id != "_target_", where
            elif isinstance(node, ast.Call):
                loads += check_call(node, where)
    assert loads >= 1


def check_call(node: ast.Call, where: str) -> int:
    """Fail for a call that executes data; return 1 for a `torch.load`."""
    keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
    name = ast.unparse(node.func)
    assert name not in BANNED_CALLS, where
    assert not name.endswith((".instantiate", "unsafe_load", "full_load")), where
    assert keywords.get("allow_pickle", "False") == "False", where
    if name == "yaml.load":
        assert keywords["Loader"] in ("Loader", "yaml.SafeLoader"), where
    if name == "torch.load":
        assert keywords.get("weights_only") == "True", where
        return 1
    return 0


def test_files_are_short() -> None:
    lengths = {str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in FILES}
    assert {name: n for name, n in lengths.items() if n > 400} == {}


def test_sources_are_ascii_but_for_the_progress_bar() -> None:
    for file in [*FILES, *sorted(CONF.rglob("*.yaml"))]:
        text = file.read_text(encoding="utf-8").replace("\u2501", "")
        assert text.isascii(), file


def private_imports(file: Path) -> set[str]:
    """Return what a file of `trainer/` imports of other packages' underscore modules and names."""
    own = file.parent.relative_to(PACKAGE.parent).parts
    found = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ImportFrom) and node.module and is_ours(node.module):
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names if is_ours(alias.name)]
        else:
            continue
        for target in targets:
            parts = target.split(".")
            hidden = [i for i, part in enumerate(parts) if part[0] == "_" and part[-2:] != "__"]
            # what is hidden belongs to the package that holds it, and to packages within that one
            if hidden and tuple(parts[: hidden[0]]) != own[: hidden[0]]:
                found.add(target)
    return found


@pytest.mark.slow
def test_nothing_outside_a_package_imports_what_has_an_underscore() -> None:
    assert [f for f in FILES if private_imports(f)] == [], "let the package export it"
    assert private_imports(PACKAGE / "optim" / "adam.py") == set()  # its own package's, it may


def test_every_seam_exports_its_registry_and_what_an_author_needs() -> None:
    from trainer.config.groups import REGISTRIES

    for seam in COMPONENT_SEAMS:
        package = importlib.import_module(f"trainer.{seam}")
        registries = [n for n in package.__all__ if getattr(package, n) is REGISTRIES[seam]]
        assert len(registries) == 1, seam
        assert REGISTRIES[seam].shared.__name__ in package.__all__, seam
        protocols = [n for n in package.__all__ if getattr(getattr(package, n), "_is_protocol", 0)]
        assert protocols, seam
        assert "ConfigError" in package.__all__, seam


@pytest.mark.slow
def test_importing_a_seam_imports_no_component() -> None:
    code = f"""
import importlib, pathlib, sys
for seam in {COMPONENT_SEAMS}:
    importlib.import_module(f"trainer.{{seam}}")
ours = [m.split(".") for m in sys.modules if m.startswith("trainer.")]
names = {{m[2] for m in ours if len(m) == 3 and m[1] in {COMPONENT_SEAMS}}}
assert "base" in names, ours
print(sorted(n for n in names if n[0] != "_" and n != "base"), "torchvision" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[] False\n", done.stderr


# Words of an earlier dialect: the field has others for each of these.
COINED = {
    *("told", "foretell", "foretold", "Foretell", "listed", "claimed", "Claim", "unforeseen"),
    *(
        "hears",
        "heard",
        "rollcall",
        "GaveWay",
        "give_way",
        "adopt",
        "lend",
        "inert",
        "Walk",
        "Word",
    ),
    *("Words", "Order", "Site", "Courses", "courses", "Board", "sheets", "windows", "from_first"),
    *("window", "from_any", "everyone", "Together", "meet", "meeting", "Meeting", "wish"),
}


@pytest.mark.slow
def test_identifiers_are_the_field_s_words() -> None:
    found = set()
    for file in FILES:
        for node in ast.walk(tree(file)):
            for name in names_in(node):
                if name in COINED or name.endswith("_said") or re.match(r"tell_|told_", name):
                    found.add(f"{file.relative_to(ROOT)}: {name}")
    assert found == set()


def names_in(node: ast.AST) -> list[str]:
    """Return the identifiers that a node of a syntax tree brings."""
    fields = ("id", "attr", "name", "arg", "asname")
    return [v for field in fields if isinstance(v := getattr(node, field, None), str)]


@pytest.mark.slow
def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for file in FILES:
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


@pytest.mark.slow
def test_docstrings_describe_arguments_and_attributes_that_exist() -> None:
    wrong, described = [], 0
    for file in FILES:
        for node in ast.walk(tree(file)):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                for name in described_names(ast.get_docstring(node) or ""):
                    described += 1
                    if name not in own_names(node):
                        wrong.append(f"{file.relative_to(ROOT)}:{node.lineno} {node.name}: {name}")
    assert wrong == []
    assert described >= 900


def described_names(docstring: str) -> list[str]:
    """Return the names that the sections `Args` and `Attributes` of a docstring describe."""
    sections = re.findall(r"^(?:Args|Attributes):\n((?: +.*\n?|\n)*)", docstring, re.MULTILINE)
    return [name for text in sections for name in re.findall(r"^ {4}(\w+):", text, re.MULTILINE)]


def own_names(node: ast.FunctionDef | ast.ClassDef) -> set[str]:
    """Return the arguments of a function; of a class its fields, and what `self` or `cls` has."""
    if isinstance(node, ast.FunctionDef):
        return {n.arg for n in ast.walk(node.args) if isinstance(n, ast.arg)}
    names = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    names |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    return names | {
        target.id
        for statement in node.body
        if isinstance(statement, (ast.AnnAssign, ast.Assign))
        for target in (
            [statement.target] if isinstance(statement, ast.AnnAssign) else statement.targets
        )
        if isinstance(target, ast.Name)
    }
