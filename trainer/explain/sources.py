"""What the sources say of a key: the text of its dataclass and the comment of its YAML, read as
text, so that nothing is imported."""

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.composition.search_path import CONF
from trainer.explain.pages import PACKAGE

WORDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "None": "null",
    "Duration": "a span of time: 5ep epochs, 300st steps, 10% of the run",
    "Rate": "a learning rate: 0.001, or 1% of the peak",
    "Amount": "a number, or a share: 10%",
    "Interval": "60s, 1ep or 300st",
    "Seconds": "a time: 60s, 5min",
    "Keep": "a number, or all",
    "Rules": "a list of rules, or the name of one",
    "Init": "names, one or in a list",
    "Origin": "a run, a step of it, or a .safetensors file",
    "Range": "two numbers",
    "Any": "a value",
}


@dataclass(frozen=True)
class ClassText:
    """A dataclass as its source has it.

    Attributes:
        name: of the class.
        attributes: text of each entry under `Attributes:` of the docstring.
        kinds: annotation of each field.
    """

    name: str
    attributes: dict[str, str]
    kinds: dict[str, ast.expr]


@dataclass(frozen=True)
class Module:
    """A file of the package: its classes, ranges by key, names of types, and its docstring."""

    classes: dict[str, ClassText]
    ranges: dict[str, str]
    types: dict[str, ast.expr]
    registered: dict[str, str]  # name of a choice: its class


@functools.cache
def module(file: Path) -> Module:
    """Return what a file of the package holds."""
    found = Module({}, {}, {}, {})
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            found.classes[node.name] = class_text(node)
            found.registered.update(dict.fromkeys(names_of(node), node.name))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check_in":
            texts = [a.value if isinstance(a, ast.Constant) else None for a in node.args]
            if isinstance(texts[0], str) and isinstance(texts[1], str):
                found.ranges[texts[1]] = texts[0]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.types[node.targets[0].id] = node.value
    return found


def names_of(node: ast.ClassDef) -> Iterator[str]:
    """Yield the names under which a class is registered."""
    for call in node.decorator_list:
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "register":
            yield str(getattr(call.args[0], "value", ""))


def class_text(node: ast.ClassDef) -> ClassText:
    """Return the entries and annotations of a class."""
    text = ast.get_docstring(node) or ""
    entries = re.findall(
        r"^    (\w+): (.*(?:\n        .*)*)", text.partition("Attributes:\n")[2], re.MULTILINE
    )
    kinds = {
        item.target.id: item.annotation
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    return ClassText(node.name, {n: " ".join(t.split()) for n, t in entries}, kinds)


SHARED = ("base", "keys", "formats", "run_config")  # files of keys that several choices have


def modules(group: str, name: str = "") -> Iterator[Module]:
    """Yield the files of a group: that of a choice first, then those of shared keys, then the
    others; each is read when it is asked for."""
    files = sorted((PACKAGE / group).glob("*.py"))
    order = {stem: i for i, stem in enumerate((name, *SHARED))}
    yield from map(module, sorted(files, key=lambda file: order.get(file.stem, len(order))))


def classes_of(group: str, name: str) -> Iterator[ClassText]:
    """Yield the classes that may hold the keys of a choice, its own first; of a whole configuration
    where `group` is `config`."""
    is_fixed = group in ("precision", "strategy", "config")
    own = next((part for part in modules(group, name) if name in part.registered), None)
    if own is not None and not is_fixed:
        first = own.classes[own.registered[name]]
        yield first
        yield from (c for c in own.classes.values() if c is not first)
    for part in modules(group, name):
        yield from (c for c in part.classes.values() if is_fixed or c.name.endswith("Keys"))


def meaning(group: str, name: str, field: str) -> str:
    """Return what the dataclasses say of a key; empty where they say nothing."""
    found = (
        c.attributes[field]
        for c in classes_of(group, name)
        if field in c.attributes and field in c.kinds
    )
    return next(found, "")


def kind(group: str, name: str, field: str) -> str:
    """Return, in words, what a key takes; empty where the sources do not say."""
    for c in classes_of(group, name):
        if field in c.kinds:
            return words(group, c.kinds[field])
    return ""


def words(group: str, node: ast.expr) -> str:
    """Return an annotation in words."""
    if isinstance(node, ast.BinOp):
        return f"{words(group, node.left)}, or {words(group, node.right)}"
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if node.value.id == "Literal":
            return ", ".join(str(getattr(part, "value", "")) for part in inner)
        if node.value.id == "Mapping":
            return "keys and values: {a: 1}"
        return "a list: " + ", ".join(words(group, p) for p in inner if not is_ellipsis(p))
    text = ast.unparse(node)
    if text in WORDS:
        return WORDS[text]
    for part in modules(group):
        if text in part.types:
            return words(group, part.types[text])
    return text


def is_ellipsis(node: ast.expr) -> bool:
    """Return whether an annotation is `...`."""
    return isinstance(node, ast.Constant) and node.value is ...


def allowed_range(group: str, key: str) -> str:
    """Return the range of a key's values, such as `[0, 1)`; empty where there is none."""
    return next((part.ranges[key] for part in modules(group) if key in part.ranges), "")


def comment(group: str, name: str, field: str) -> str:
    """Return the comment on a key in its YAML; empty where there is none."""
    file = CONF / group / f"{name}.yaml" if group else CONF / "config.yaml"
    if not file.is_file():
        return ""
    text = file.read_text(encoding="utf-8")
    found = re.search(rf"^ *{re.escape(field)}:[^#\n]*# +(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
