"""The words of a command line: spellings people try, values with odd characters, and checks before
Hydra composes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainer.core.errors import ConfigError, unknown

TEXT_KEYS = (
    *("name", "outputs", "data.root", "init_from", "fork", "loss.teacher", "task.picture"),
    *("task.run", "task.against", "task.images", "task.out"),
    *("hydra.run.dir", "hydra.sweep.dir"),
)

# One value of a sweep over texts, with the comma before it: quoted, or all up to the next comma.
VALUE = re.compile(
    r"""(?:^|,)('(?:\\.|[^'\\])*'(?=,|$)|"(?:\\.|[^"\\])*"(?=,|$)|[^,]*)""", re.DOTALL
)

# What people try, and what it means. `{}` is the value as written; a word may mean several.
SPELLINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "swa": {
        "on": ("average=swa",),
        "off": ("average=none",),
        "paper": ("average=swa_paper", "scheduler=swa"),
        "torchcontrib": ("average=swa_torchcontrib", "scheduler=swa"),
    },
    "mixup": {"on": ("mix=mixup",), "off": ("mix=none",)},
}

RENAMED = {"optimizer": "optim", "swa.": "average.", "mixup.": "mix.", "optimizer.": "optim."}


@dataclass(frozen=True)
class Override:
    """One `key=value` of a command line; `+`, `++` or nothing is the prefix."""

    prefix: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.prefix}{self.key}={self.value}"


def parse_override(text: str) -> Override:
    """Return a word's parts; raise ConfigError if it is not `key=value`."""
    match = re.fullmatch(r"(\+{0,2})([A-Za-z_][\w./@-]*)=(.*)", text, re.DOTALL)
    if match:
        return Override(match[1], match[2], match[3])
    if text.startswith("~"):
        raise ConfigError(
            f"{text}: no key can be removed; set it to the value you want "
            "(`none` switches a part off)"
        )
    raise ConfigError(f"cannot read '{text}': write key=value, or group=name")


def quoted(override: Override, *, is_sweep: bool) -> Override:
    """Return a word whose value Hydra takes literally, where its key holds text such as a path.

    Paths may hold `=`, brackets, blanks or accents; names may look like numbers. In a sweep a comma
    separates values.
    """
    value = override.value
    if override.key not in TEXT_KEYS or "${" in value:
        return override
    parts = values_of(value) if is_sweep else [value]
    is_plain = [part[:1] not in ("'", '"') and part != "null" for part in parts]
    texts = [quote(part) if plain else part for part, plain in zip(parts, is_plain, strict=True)]
    return replace(override, value=",".join(texts))


def values_of(text: str) -> list[str]:
    """Return the values of a sweep's word whose key holds text: commas separate them, but for those
    within a value that is quoted."""
    return [match[1] for match in VALUE.finditer(text)]


def as_typed(override: Override, *, is_sweep: bool) -> Override:
    """Return a word without the quotes that `quoted` gave it, where they can be left out."""
    plain = replace(override, value=re.sub(r"'([^'\\]*)'", r"\1", override.value))
    return plain if quoted(plain, is_sweep=is_sweep) == override else override


def quote(text: str) -> str:
    """Return text as a quoted string of Hydra's grammar."""
    escaped = re.sub(r"(\\*)'", lambda m: m[1] * 2 + "\\'", text)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f"'{escaped}{chr(92) * trailing}'"


def unquoted(value: str) -> str:
    """Return the text that `quote` made a value of; any other value as it is."""
    if len(value) < 2 or value[0] != "'" or value[-1] != "'":
        return value
    inner = re.sub(r"(\\+)'", lambda m: m[1][len(m[1]) // 2 + 1 :] + "'", value[1:-1])
    trailing = len(inner) - len(inner.rstrip("\\"))
    return inner[: len(inner) - trailing // 2]


def canonical(overrides: Sequence[Override], *, is_sweep: bool = False) -> list[Override]:
    """Return words under the project's own names: `swa=on` is `average=swa`, `optimizer.lr` is
    `optim.lr`.

    A spelling that means several words chooses the scheduler only where the line names none. In a
    sweep a list of
    spellings that each mean one word is translated; others are left for each job, where they stand
    alone.

    Raises:
        ConfigError: for a value that the spelling does not have.
    """
    names_scheduler = any(w.key == "scheduler" for w in overrides)
    out: list[Override] = []
    for override in overrides:
        if override.key in SPELLINGS:
            out += spelled(override, names_scheduler=names_scheduler, is_sweep=is_sweep)
            continue
        for tried, meant in RENAMED.items():
            if override.key == tried or (tried.endswith(".") and override.key.startswith(tried)):
                override = replace(override, key=meant + override.key[len(tried) :])
                break
        out.append(override)
    return out


def spelled(override: Override, *, names_scheduler: bool, is_sweep: bool) -> list[Override]:
    """Return the words that a spelling such as `swa=on` means."""
    table = SPELLINGS[override.key]
    values = (
        [v.strip() for v in override.value.split(",")] if is_sweep else [override.value.strip()]
    )
    for value in values:
        if value.lower() not in table and value not in table:
            raise unknown(override.key, value, table)
    meanings = [table[v.lower()] for v in values]
    if len(values) == 1:
        means = [parse_override(text) for text in meanings[0]]
        return [w for w in means if not (w.key == "scheduler" and names_scheduler)]
    if all(len(m) == 1 or names_scheduler for m in meanings):
        firsts = [parse_override(m[0]) for m in meanings]
        return [replace(firsts[0], value=",".join(w.value for w in firsts))]
    return [override]


def spellings_help() -> str:
    """Return the table of spellings, a line each."""
    lines = [
        f"{k}={v} means {' '.join(m)}" for k, table in SPELLINGS.items() for v, m in table.items()
    ]
    lines += [
        f"{k}{'KEY' if k.endswith('.') else '='} means {v}{'KEY' if v.endswith('.') else '='}"
        for k, v in RENAMED.items()
    ]
    return "\n".join(lines)
