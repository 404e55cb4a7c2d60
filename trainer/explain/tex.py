"""The TeX of the pages as plain Unicode, for a terminal."""

import re
from collections.abc import Callable

# names of commands, each with the number of its sign in Unicode
CODES = """
alpha 03b1 beta 03b2 gamma 03b3 delta 03b4 epsilon 03b5 varepsilon 03b5 zeta 03b6 eta 03b7 theta
03b8 kappa 03ba lambda 03bb mu 03bc nu 03bd xi 03be pi 03c0 rho 03c1 sigma 03c3 tau 03c4 phi 03c6
chi 03c7 psi 03c8 omega 03c9 Delta 0394 Lambda 039b Sigma 03a3 Phi 03a6 cdot 00b7 times 00d7 odot
2299 pm 00b1 le 2264 ge 2265 ne 2260 ll 226a approx 2248 sim 223c propto 221d in 2208 infty 221e
to 2192 leftarrow 2190 mapsto 21a6 sum 2211 prod 220f nabla 2207 partial 2202 ldots 2026 cdots
22ef top 1d40 prime 2032 ell 2113 lfloor 230a rfloor 230b lceil 2308 rceil 2309 lVert 2016 rVert
2016 Vert 2016 | 2016
"""
PAIRS = CODES.split()
WORDS = ("max", "min", "cos", "sin", "tanh", "exp", "log", "ln", "arg")
SIGNS = {sign: sign for sign in (*WORDS, *"{}%_#&$")}
SIGNS |= {"mid": "|", "lvert": "|", "rvert": "|", "bmod": "mod"}
BLANKS = {"quad": "  ", "qquad": "    ", ",": "", ";": "", ":": "", "!": "", " ": " "}
SYMBOLS = {name: chr(int(code, 16)) for name, code in zip(PAIRS[::2], PAIRS[1::2], strict=True)}
SYMBOLS |= {**SIGNS, **BLANKS}
ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
TEXT = ("text", "mathrm", "operatorname", "mathbf", "mathcal", "mathtt")
MINUS = "\u2212"
HIGHS = (  # of 0123456789+-=() and some letters
    *(0x2070, 0xB9, 0xB2, 0xB3, *range(0x2074, 0x2080), 0x2071, 0x1D40, 0x1D4F, 0x1D57, 0x1D56),
    0x1D50,
)
HIGH = dict(zip("0123456789+-=()niTktpm", map(chr, HIGHS), strict=True))
HIGH["\u1d40"] = "\u1d40"
LOWS = (
    *(*range(0x2080, 0x208F), 0x2090, 0x2091, 0x1D62, 0x2092, 0x2093, *range(0x2095, 0x209D)),
    *(0x2C7C, 0x1D63, 0x1D64, 0x1D65),
)
LOW = dict(zip("0123456789+-=()aeioxhklmnpstjruv", map(chr, LOWS), strict=True))
TOKEN = re.compile(r"\\([A-Za-z]+|.)|([{}^_&])|(\s+)|(.)", re.DOTALL)
MARKS = "".join([*HIGH.values(), *LOW.values()])
OPEN, CLOSE = "(\u2016|\u230a\u2308", ")\u2016|\u230b\u2309"
SYMBOL = rf"\u221a?(\d[\d.e]*|[^\W\d_]\d?[\u0300-\u036f]?)(_[\w\u221e]+)?[{MARKS}]*"
# a number, a symbol with its marks, or a term in brackets
ONE = re.compile(rf"({SYMBOL}|[{OPEN}][^()\u2016|]*[{CLOSE}])\u2032?")

THIN = [("command", sign) for sign in ",;:!"]
FACTORS = (
    *("left", "sum", "prod", "nabla", "frac", "sqrt", "lVert", "lvert", "lfloor"),
    *ACCENTS,
    *(name for name, sign in SYMBOLS.items() if "\u03b1" <= sign <= "\u03c9"),
)

Token = tuple[str, str]  # its kind, and the text


def plain(tex: str) -> str:
    """Return a formula as Unicode text, a line for each of its rows.

    Raises:
        ValueError: for a command or an environment that it does not know.
    """
    rows = Reader(tex).rows()
    return "\n".join(tidied(row) for row in rows if row.strip())


def tidied(row: str) -> str:
    """Return a row without blanks that only TeX needs."""
    row = re.sub(r"(?<=[(\u230a\u221a]) +| +(?=[)\u230b,;])", "", row.strip())
    return re.sub(r"(?<![,;]) {2,}", " ", row)


def tokens(tex: str) -> list[Token]:
    """Return the commands, signs of structure, blanks and letters of a formula."""
    found: list[Token] = []
    for match in TOKEN.finditer(tex):
        command, sign, blank, other = match.groups()
        if command is not None:
            found.append(("row" if command == "\\" else "command", command))
        elif sign:
            found.append((sign, sign))
        else:
            found.append(("text", " " if blank else other))
    return found


class Reader:
    """Reads a formula from left to right."""

    def __init__(self, tex: str) -> None:
        self.rest = tokens(tex.strip())[::-1]
        self.lines: list[str] = []
        self.in_cases = False

    def rows(self) -> list[str]:
        """Return the formula's rows."""
        last = self.sequence(lambda kind, text: False)
        return [*self.lines, last]

    def sequence(self, is_end: Callable[[str, str], bool]) -> str:
        """Return what stands before an end, which is taken."""
        out = ""
        while self.rest:
            kind, text = self.rest.pop()
            if is_end(kind, text):
                return out
            out = self.joined(out, kind, text)
        return out

    def joined(self, out: str, kind: str, text: str) -> str:
        """Return what stands so far and one more sign."""
        if kind == "^":
            return out + raised(self.argument())
        if kind == "_":
            return out + lowered(self.argument())
        if kind == "row":
            if self.in_cases:
                return f"{out.rstrip()}; "
            self.lines.append(out)
            return ""
        if kind == "&":
            return f"{out.rstrip()} " if self.in_cases else out
        if (kind, text) == ("command", "begin"):
            return self.environment(out)
        if kind == "{":
            return out + self.sequence(closes)
        return out + self.sign(kind, text)

    def environment(self, out: str) -> str:
        """Return what stands so far and the rows of an environment."""
        name = self.argument()
        if name not in ("cases", "aligned"):
            raise ValueError(f"no environment {name}")
        self.in_cases = name == "cases"
        inner = self.sequence(lambda kind, text: (kind, text) == ("command", "end")).strip()
        self.argument()
        self.in_cases = False
        return f"{out}{{ {inner} }}" if name == "cases" else out + inner

    def argument(self) -> str:
        """Return the next group, or the next sign alone."""
        while self.rest and self.rest[-1] == ("text", " "):
            self.rest.pop()
        kind, text = self.rest.pop()
        return self.sequence(closes) if kind == "{" else self.sign(kind, text)

    def sign(self, kind: str, text: str) -> str:
        """Return a letter, or what a command and its arguments make."""
        if kind != "command":
            return {"-": MINUS, "'": "\u2032", "*": "\u2217"}.get(text, text)
        if text in ("left", "right"):
            if self.rest[-1] == ("text", "."):  # a bracket that is not drawn
                self.rest.pop()
            return ""
        if text == "frac":
            ratio = f"{bracketed(self.argument())} / {bracketed(self.argument())}"
            return f"({ratio})" if self.is_multiplied() else ratio
        if text == "sqrt":
            return f"\u221a{bracketed(self.argument())}"
        if text in TEXT:
            return self.argument()
        if text in ACCENTS:
            inner = self.argument()
            return inner[:1] + ACCENTS[text] + inner[1:]
        if text not in SYMBOLS:
            raise ValueError(f"no command \\{text}")
        return SYMBOLS[text]

    def is_multiplied(self) -> bool:
        """Return whether a factor follows."""
        for kind, text in reversed(self.rest):
            if (kind, text) != ("text", " ") and (kind, text) not in THIN:
                is_letter = kind == "text" and (text.isalnum() or text in "([")
                return is_letter or (kind == "command" and text in FACTORS)
        return False


def closes(kind: str, text: str) -> bool:
    """Return whether a sign ends a group."""
    return kind == "}"


def bracketed(text: str) -> str:
    """Return a term in brackets, unless it is one already or a single symbol."""
    return text if ONE.fullmatch(text) else f"({text})"


def raised(text: str) -> str:
    """Return a superscript."""
    text = text.replace(MINUS, "-")
    if all(letter in HIGH for letter in text):
        return "".join(HIGH[letter] for letter in text)
    return f"^{bracketed(text.replace('-', MINUS))}"


def lowered(text: str) -> str:
    """Return a subscript."""
    text = text.replace(MINUS, "-")
    if all(letter in LOW for letter in text):
        return "".join(LOW[letter] for letter in text)
    return f"_{text}" if text.isalnum() or len(text) == 1 else f"_({text.replace('-', MINUS)})"
