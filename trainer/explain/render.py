"""A page as lines for a terminal: wrapped text, formulas in Unicode, values beside their keys."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from trainer.core.convert import typed
from trainer.explain.tex import plain

INLINE = re.compile(r"`([^`]+)`|\$([^$]+)\$|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)]+)\)")
BLOCK = re.compile(
    r"^```(?P<language>\w*)\n(?P<code>.*?)^```$"
    r"|^:::\{dropdown\} (?P<label>.+?)\n(?P<inner>.*?)^:::$"
    r"|^\$\$\n?(?P<tex>.*?)\$\$$"
    r"|(?P<text>(?:^(?!```|:::|\$\$)[^\n]+\n?)+)",
    re.MULTILINE | re.DOTALL,
)
TEXT, CODE, FORMULA, HEAD = "", "cyan", "bold", "bold underline"

Values = Mapping[str, Any]  # of this configuration, by dotted key


def section(markdown: str, console: Console, values: Values, *, answers: bool) -> Iterator[Text]:
    """Yield the lines of a section.

    Args:
        markdown: of its body.
        console: its width is that of the lines.
        values: told beside the keys that list items name.
        answers: whether what is folded on the site is shown.
    """
    for match in BLOCK.finditer(markdown):
        if match["code"] is not None:
            yield from (Text(f"    {line}", CODE) for line in match["code"].splitlines())
        elif match["inner"] is not None:
            if answers:
                yield from section(match["inner"], console, values, answers=True)
        elif match["tex"] is not None:
            yield from (Text(f"    {row}", FORMULA) for row in plain(match["tex"]).splitlines())
        elif match["text"].strip():
            yield from text_lines(match["text"], console, values)
        else:
            continue
        yield Text()


def text_lines(markdown: str, console: Console, values: Values) -> Iterator[Text]:
    """Yield a paragraph, or the items of a list."""
    for item in re.split(r"\n(?=- )", re.sub(r"\n(?!- |$)\s*", " ", markdown.strip("\n"))):
        is_item = item.startswith("- ")
        styled = inline(item.removeprefix("- "), values if is_item else {})
        first, rest = ("  - ", "    ") if is_item else ("", "")
        for i, line in enumerate(styled.wrap(console, console.width - len(rest))):
            line.rstrip()
            yield Text.assemble(rest if i else first, line)


def inline(markdown: str, values: Values) -> Text:
    """Return text with its code, formulas and links; keys are followed by their value."""
    out, end = Text(), 0
    for match in INLINE.finditer(" ".join(markdown.split())):
        out.append(match.string[end : match.start()])
        code, tex, strong, label, link = match.groups()
        end = match.end()
        if code is not None:
            out.append(code, CODE)
            if code in values:
                out.append(f" = {typed(values[code])}", FORMULA)
        elif tex is not None:
            out.append(plain(tex))
        elif strong is not None:
            out.append(strong, FORMULA)
        else:
            out.append(f"{label} ({link})" if link not in label else label)
    out.append(" ".join(markdown.split())[end:])
    return out


def with_values(markdown: str, values: Values) -> str:
    """Return the formulas of a section with numbers in place of the symbols that its list says are
    keys; empty where no symbol is a number here.

    An item `- $a$, $b$: optim.betas` (as code) names the symbols of a key's values in order.
    """
    numbers: dict[str, str] = {}
    for symbols, key in re.findall(
        r"^- ((?:\$[^$]+\$(?:, )?)+): `([^`]+)`", markdown, re.MULTILINE
    ):
        named = re.findall(r"\$([^$]+)\$", symbols)
        value = values.get(key)
        given: Sequence[Any] = value if isinstance(value, list) else [value]
        if len(named) == len(given) and all(is_number(v) for v in given):
            numbers |= dict(zip(named, map(typed, given), strict=True))
    formulas = [m["tex"] for m in BLOCK.finditer(markdown) if m["tex"] is not None]
    changed = [replaced(tex, numbers) for tex in formulas]
    found = [new for new, old in zip(changed, formulas, strict=True) if new != old]
    return "\n\n".join(f"$$\n{tex.strip()}\n$$" for tex in found)


def is_number(value: object) -> bool:
    """Return whether a value of a configuration is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def replaced(tex: str, numbers: Mapping[str, str]) -> str:
    """Return a formula with some symbols replaced: the longest first, and no part of another."""
    if not numbers:
        return tex
    known = "|".join(re.escape(symbol) for symbol in sorted(numbers, key=len, reverse=True))
    words = r"\\(?:text|mathrm|operatorname|begin|end)\{[^}]*\}"
    pattern = rf"{words}|(?<![A-Za-z\\])({known})(?![A-Za-z_])"
    return re.sub(pattern, lambda m: number(numbers[m[1]]) if m[1] else m[0], tex)


def number(text: str) -> str:
    """Return a number as TeX, in braces so that it stays one."""
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return f"{{{text}}}"
    power = f"10^{{{exponent.removeprefix('+')}}}"
    return power if mantissa == "1" else f"{{{mantissa}}} \\cdot {power}"
