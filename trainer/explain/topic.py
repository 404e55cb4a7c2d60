"""What a word asks to have explained: names of groups, a key, a group, or a preset."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainer.composition.overrides import canonical, parse_override
from trainer.composition.search_path import SEAMS, Sources
from trainer.core.command import program
from trainer.core.errors import ConfigError, nearest
from trainer.explain.keys import all_keys
from trainer.explain.pages import all_pages

PRESETS = ("experiment", "sweep", "study")


@dataclass(frozen=True)
class Topic:
    """What is to be explained.

    Attributes:
        choices: `group=name` each.
        key: dotted, or empty.
        group: of which the names are listed, or empty.
        preset: `experiment/mnist`, or empty.
        overrides: words that the topic adds to the line which is composed.
    """

    choices: tuple[str, ...] = ()
    key: str = ""
    group: str = ""
    preset: str = ""
    overrides: tuple[str, ...] = ()


def topic_of(word: str, found: Sources) -> Topic:
    """Return what a word asks for.

    Raises:
        ConfigError: if it is no name, key, group or preset; names the nearest.
    """
    if "=" in word:
        parsed = canonical([parse_override(word)])
        group = parsed[0].key
        if group in PRESETS:
            return Topic(preset=f"{group}/{parsed[0].value}")
        if group in SEAMS:
            choices = [f"{w.key}={n}" for w in parsed for n in names_in(w.value)]
            return Topic(choices=tuple(choices), overrides=tuple(map(str, parsed)))
        key = known(group, word, all_keys(found), found)
        return Topic(key=key, overrides=tuple(map(str, parsed)))
    if word in SEAMS:
        return Topic(group=word)
    keys = all_keys(found)
    if word in keys:
        return Topic(key=word)
    fitting = meant(word, keys, found)
    if len(fitting) == 1:
        return topic_of(fitting[0], found)
    if fitting:
        raise ConfigError(f"'{word}' is {' and '.join(fitting)}: write one of them")
    return Topic(key=known(canonical([parse_override(f"{word}=0")])[0].key, word, keys, found))


def names_in(value: str) -> list[str]:
    """Return the names that a value of a group chooses."""
    return [name.strip() for name in value.strip("[]").split(",") if name.strip()]


def meant(word: str, keys: Iterable[str], found: Sources) -> list[str]:
    """Return what a word alone may be: a name of some group, or else the last part of a key."""
    choices = [f"{group}={word}" for group in SEAMS if word in found.options(group)]
    last = [key for key in keys if key.rpartition(".")[2] == word]
    pages = [w for page in all_pages() if page.file.stem == word for w in page.written]
    return choices or last or pages[:1]


def known(key: str, word: str, keys: Sequence[str] | dict[str, list[str]], found: Sources) -> str:
    """Return a key that exists; raise ConfigError with the nearest word for another."""
    if key in keys:
        return key
    names = [f"{group}={name}" for group in SEAMS for name in found.options(group)]
    short = {text.replace("=", ".").rpartition(".")[2]: text for text in [*keys, *names]}
    match = nearest(word, [*keys, *names, *SEAMS]) or short.get(nearest(word, short) or "")
    hint = f"; did you mean '{match}'?" if match else ";"
    listing = f"`{program()} explain` lists what there is"
    raise ConfigError(f"nothing to explain under '{word}'{hint} {listing}")
