"""Attack: files of presets as editors, copies and mistakes leave them: mutated YAML, random bytes.

Each file is composed in this process. Either it means what it says, and then composes to what
YAML's own reader finds in it, or one line names the file and what is wrong with it.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import yaml
from hydra.core.global_hydra import GlobalHydra

from tests.chaos.trial import Arena
from trainer.composition.compose import compose_overrides
from trainer.composition.search_path import Sources, load_plugins
from trainer.core.errors import TrainerError

QUICK, FULL = 40, 400
FILES = 25  # of each trial

HEAD = "# @package _global_\n"
KEYS = {
    "seed": ("1", "-1", "1.5", "x", "null", "[1]", "{a: 1}", "1e3", "0x10", "0o17", "1_000", "~"),
    "epochs": ("3", "0.5", ".inf", ".nan", "-2", "1e400", "'3'", "yes"),
    "batch_size": ("32", "31.0", "32.5", "2**5", "'32'", "032"),
    "name": ("a", "1", "'1'", "yes", "null", "2026-01-01", "a/b", '"a\\tb"', "!!python/none x"),
    "optim.lr": ("0.1", "1e-3", "1e3", "'0.1'", "${seed}", "${nope}", "???", "[0.1, 0.2]"),
    "scheduler.warmup": ("5ep", "10%", "5", "'5ep'", "5 ep", "-5ep"),
    "clip_norm": ("1", "null", "none", ".inf", "''"),
    "data.val": ("10%", "5000", "0", "110%"),
    "optim": ("{lr: 0.2}", "adam", "[]", "null", "{name: adam}", "{lr: {}}"),
    "nothing": ("1",),
    "_target_": ("os.system",),
    "hydra": ("{run: {dir: x}}", "{launcher: {workers: 2}}", "x", "{run: null}", "{run: {dir: 1}}"),
    "defaults": (
        "[{override /optim: adam}]",
        "[{override /optim: adamm}]",
        "[{override optim: adam}]",
        "[x]",
        "x",
        "[{override /optim: [a, b]}]",
        "[_self_, {override /mix: mixup}]",
    ),
}
GARBAGE = (
    *(
        "\ufeff",
        "\t",
        "\0",
        "\x85",
        "\u2028",
        "&a ",
        "*a",
        "!!set ",
        "%YAML 9.9\n",
        "---\n",
        "...\n",
    ),
    *(
        "<<: {seed: 2}\n",
        "? x\n: y\n",
        "- 1\n",
        "}",
        "]",
        '"',
        "'",
        ": ",
        "#",
        "|",
        ">",
        "\r",
        "\\",
    ),
)


def nested(pairs: list[tuple[str, str]], draw: random.Random) -> str:
    """Return keys and values as YAML, dotted ones as mappings."""
    lines = []
    for key, value in pairs:
        parts = key.split(".")
        indent = draw.choice((" ", "  ", "    ", "\t")) if draw.random() < 0.1 else "  "
        for depth, part in enumerate(parts[:-1]):
            lines.append(f"{indent * depth}{part}:")
        lines.append(f"{indent * (len(parts) - 1)}{parts[-1]}: {value}")
    return "\n".join(lines) + "\n"


def preset(draw: random.Random) -> bytes:
    """Return the bytes of a preset that somebody might have."""
    if draw.random() < 0.1:
        return draw.randbytes(draw.randrange(200))
    keys = draw.sample(sorted(KEYS), draw.randrange(1, 4))
    if draw.random() < 0.1:
        keys.append(keys[0])  # twice
    text = (HEAD if draw.random() < 0.9 else "") + nested(
        [(key, draw.choice(KEYS[key])) for key in keys], draw
    )
    for _ in range(draw.choice((0, 0, 0, 1, 1, 3))):
        at = draw.randrange(len(text) + 1)
        kind = draw.randrange(3)
        if kind == 0:
            text = text[:at] + draw.choice(GARBAGE) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + draw.randrange(1, 5) :]
        else:
            end = min(len(text), at + draw.randrange(1, 20))
            text = text[:end] + text[at:end] + text[end:]
    encoding = draw.choice(("utf-8",) * 12 + ("utf-16", "utf-8-sig", "latin-1", "utf-32"))
    return text.encode(encoding, errors="replace")


def answer(sources: Sources, words: list[str]) -> dict[str, Any] | str:
    """Return what a line composes to, or the message that refuses it."""
    GlobalHydra.instance().clear()
    try:
        return dict(compose_overrides(words, sources).tree)
    except TrainerError as error:
        return str(error)


def check(content: bytes, file: Path, found: dict[str, Any] | str) -> str:
    """Return what is wrong with an answer, empty if nothing is."""
    if isinstance(found, str):
        lines = found.splitlines()
        if len(lines) > 2 or not found.strip():
            return f"{len(lines)} lines: {found[:300]}"
        return ""
    try:
        tree = yaml.safe_load(content.decode("utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError):
        return "composed, though it cannot be read"
    for key in ("seed", "epochs", "name"):
        if isinstance(tree, dict) and key in tree and content.startswith(HEAD.encode()):
            plain, value = tree[key], found[key]
            number = isinstance(plain, float) and plain != plain
            if type(plain) in (int, float, bool) and value != plain and not number:
                return f"{key} became {value!r}, not {plain!r}"
    return ""


def trial(arena: Arena, draw: random.Random, number: int) -> str:
    """Compose files of presets; each is taken as it is or refused by one line."""
    place = arena.fresh("presets")
    file = place / "conf" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    taken = 0
    for _ in range(FILES):
        content = preset(draw)
        file.write_bytes(content)
        sources = load_plugins((), place / "conf")
        found = answer(sources, ["+experiment=mine"])
        wrong = check(content, file, found)
        assert not wrong, f"{wrong}: {content!r}"
        taken += not isinstance(found, str)
    arena.count("files of presets", FILES)
    return f"{FILES} files, {taken} taken, the others refused by a line"
