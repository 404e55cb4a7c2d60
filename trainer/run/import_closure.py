"""The code that a result depends on: the modules that imports reach, as syntax trees.

A module counts by its syntax tree without docstrings, comments, annotations of functions and the
texts of errors, assertions and log messages. The tree is written out field by field, empty fields
left out, because `ast.dump` and `ast.unparse` differ between versions of Python.
"""

from __future__ import annotations

import ast
import functools
import gc
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

OURS = "trainer"

# Modules that move no number of a result, though modules that do import helpers from them: they
# compose and check a configuration, whose values count by themselves, or compare and report.
LEFT_OUT = (
    *(f"{OURS}.{name}" for name in ("analysis", "api", "cli", "composition", "config", "record")),
    *(f"{OURS}.{name}" for name in ("lint", "study", "sweep", "task")),
    *(f"{OURS}.core.errors", f"{OURS}.run.identity", f"{OURS}.run.resume"),
)

INSTALLED = ("site-packages", "dist-packages")  # folders where packages of others lie side by side

SILENT_FIELDS = frozenset({"ctx", "kind", "msg", "returns", "type_comment", "type_ignores"})

REPORTS = (ast.Call, ast.Raise)  # nodes that may hold texts of messages

SOMETIMES_SILENT = (ast.Expr, ast.If, ast.JoinedStr, ast.Constant)

LOG_METHODS = ("debug", "info", "warn", "warning", "error", "exception", "critical", "log", "say")


@dataclass(frozen=True)
class Import:
    """One imported name: the absolute one of the module it is imported from, its own, empty for the
    module itself, and how the importing module calls it."""

    module: str
    name: str = ""
    bound: str = ""


@dataclass(frozen=True)
class Parsed:
    """The SHA-256 of a module's syntax tree, and all its imports, those inside functions too."""

    digest: str
    imports: tuple[Import, ...]


@functools.cache
def code_digest(modules: frozenset[str]) -> str:
    """Return the SHA-256 of the code that modules reach by imports.

    Files are read once per process: the digest is that of the code that this process runs.
    """
    total = hashlib.sha256()
    for name, digest in sorted(import_closure(modules).items()):
        total.update(f"{name}\0{digest}\0".encode())
    return total.hexdigest()


def import_closure(modules: Iterable[str]) -> dict[str, str]:
    """Return the modules that the imports of some modules reach, with the digest of each.

    Imports are followed inside `trainer` and inside the package of a plugin, also to modules beside
    a plugin that is not installed. What `LEFT_OUT` names is not followed.
    """
    found: dict[str, str] = {}
    pending = [(name, home_of(name)) for name in modules]
    while pending:
        name, home = pending.pop()
        file = None if home is None or is_left_out(name) else file_of(name, home)
        if name in found or home is None or file is None:
            continue
        parsed = parse(name, file)
        found[name] = parsed.digest
        if not is_ours(name):  # importing a module runs the packages around it
            pending += [(parent, home) for parent in parents_of(name)]
        for item in parsed.imports:
            place = home_from(name, home, item.module)
            if place is not None:
                pending.append((defining_module(item, place), place))
    return found


def is_ours(name: str) -> bool:
    return name.split(".")[0] == OURS


def is_left_out(name: str) -> bool:
    return name == OURS or any(name == n or name.startswith(f"{n}.") for n in LEFT_OUT)


def parents_of(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def home_of(name: str) -> Path | None:
    """Return the folder that holds the top package of an imported module, if it has one."""
    top = sys.modules.get(name.split(".")[0])
    for folder in getattr(top, "__path__", ()):
        return Path(folder).parent
    file = getattr(top, "__file__", None)
    return None if file is None else Path(file).parent


def home_from(importer: str, home: Path, name: str) -> Path | None:
    """Return where a module lies that another one imports, None where that is not followed."""
    if is_ours(name):
        return home_of(OURS)
    is_beside = not is_ours(importer) and home.name not in INSTALLED
    return home if is_beside or name.split(".")[0] == importer.split(".")[0] else None


@functools.cache
def file_of(name: str, home: Path) -> Path | None:
    """Return the source file of a module, None where there is none below a folder."""
    if name == "__main__":
        return Path(sys.modules[name].__file__ or "")
    path = home.joinpath(*name.split("."))
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in candidates if file.is_file()), None)


def defining_module(item: Import, home: Path) -> str:
    """Return the module that an import leads to: of a name that a package only exports, the module
    that the package has it from."""
    inner = f"{item.module}.{item.name}"
    if not item.name or file_of(inner, home) is not None:
        return inner if item.name else item.module
    file = file_of(item.module, home)
    if is_ours(item.module) and file is not None and file.name == "__init__.py":
        for other in parse(item.module, file).imports:
            if other.bound == item.name and is_ours(other.module):
                return defining_module(other, home)
    return item.module


@functools.cache
def parse(name: str, file: Path) -> Parsed:
    """Return what is known of a module's file."""
    is_collecting = gc.isenabled()
    gc.disable()  # which would walk every new node again and again, and find nothing to free
    try:
        parts: list[str] = []
        nodes: list[ast.Import | ast.ImportFrom] = []
        write(ast.parse(file.read_bytes()), parts, nodes)
    finally:
        if is_collecting:
            gc.enable()
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    imports = tuple(item for node in nodes for item in imports_of(node, package))
    return Parsed(hashlib.sha256("\0".join(parts).encode()).hexdigest(), imports)


def imports_of(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[Import]:
    """Yield the names that a statement in a module of a package imports."""
    if isinstance(node, ast.Import):
        yield from (Import(alias.name) for alias in node.names)
        return
    base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    module = ".".join([*base, *([node.module] if node.module else [])])
    for alias in node.names:
        name = "" if alias.name == "*" else alias.name
        yield Import(module, name, alias.asname or name)


def write(
    node: object,
    parts: list[str],
    imports: list[ast.Import | ast.ImportFrom],
    is_message: bool = False,
) -> None:
    """Write a syntax tree, a list of such or a plain value out into `parts`, and collect its
    imports; the texts of what `is_message`, an error or a log message, are left out."""
    kind = type(node)
    if kind is list:
        for item in node:  # type: ignore[attr-defined]  # a list
            write(item, parts, imports, is_message)
        parts.append("]")
    elif not isinstance(node, ast.AST):
        parts.append(repr(node))
    elif kind not in SOMETIMES_SILENT or not is_silent(node, is_message):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports.append(node)
        is_message = is_message or (kind in REPORTS and is_report(node))
        parts.append(kind.__name__)
        for field in node._fields:
            value = getattr(node, field, None)
            is_hint = field == "annotation" and kind is ast.arg
            if value is not None and value != [] and field not in SILENT_FIELDS and not is_hint:
                parts.append(field)
                write(value, parts, imports, is_message)
        parts.append(")")
    elif isinstance(node, ast.If):
        for statement in node.orelse:
            write(statement, parts, imports, is_message)


def is_silent(node: ast.AST, is_message: bool) -> bool:
    """Return whether a node has no effect: a docstring or another bare value, the text of a
    message, a branch that type checkers alone read."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in (getattr(node.test, "id", ""), getattr(node.test, "attr", ""))
    is_text = isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)
    return is_message and is_text


def is_report(node: ast.AST) -> bool:
    """Return whether a node raises or makes an error, or writes to a log."""
    if not isinstance(node, ast.Call):
        return True
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr in LOG_METHODS
    name = function.id if isinstance(function, ast.Name) else ""
    return name == "unknown" or name.endswith("Error")
