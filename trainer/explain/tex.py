"""The TeX of the pages as plain Unicode, for a terminal."""

import re
from collections.abc import Callable

TABLE = """
alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ kappa κ lambda λ mu μ
nu ν xi ξ pi π rho ρ sigma σ tau τ phi φ chi χ psi ψ omega ω Delta Δ Lambda Λ Sigma Σ Phi Φ
cdot · times × odot ⊙ pm ± le ≤ ge ≥ ne ≠ ll ≪ approx ≈ sim ∼ propto ∝ in ∈ infty ∞ to → mid |
leftarrow ← mapsto ↦ sum ∑ prod ∏ nabla ∇ partial ∂ ldots … cdots ⋯ top ᵀ prime ′ ell ℓ
lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ lVert ‖ rVert ‖ Vert ‖ lvert | rvert |
max max min min cos cos sin sin tanh tanh exp exp log log ln ln arg arg bmod mod
{ { } } % % _ _ # # & & $ $ | ‖
"""
PAIRS = TABLE.split()
BLANKS = {"quad": "  ", "qquad": "    ", ",": "", ";": "", ":": "", "!": "", " ": " "}
SYMBOLS = {**dict(zip(PAIRS[::2], PAIRS[1::2], strict=True)), **BLANKS}
ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
TEXT = ("text", "mathrm", "operatorname", "mathbf", "mathcal", "mathtt")
HIGH = dict(zip("0123456789+-=()niTktpm", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵀᵏᵗᵖᵐ", strict=True))
HIGH["ᵀ"] = "ᵀ"
LOW = dict(zip("0123456789+-=()aeioxhklmnpstjruv", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑᵢₒₓₕₖₗₘₙₚₛₜⱼᵣᵤᵥ", strict=True))
TOKEN = re.compile(r"\\([A-Za-z]+|.)|([{}^_&])|(\s+)|(.)", re.DOTALL)
MARKS = "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑᵢₒₓₕₖₗₘₙₚₛₜⱼᵣᵤᵥ⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵀᵏᵗᵖᵐ"
ONE = re.compile(  # a number, a symbol with its marks, or a term in brackets
    rf"(√?(\d[\d.e]*|[^\W\d_]\d?[\u0300-\u036f]?)(_[\w∞]+)?[{MARKS}]*|[(‖|⌊⌈][^()‖|]*[)‖|⌋⌉])′?"
)

THIN = [("command", sign) for sign in ",;:!"]
FACTORS = (
    *("left", "sum", "prod", "nabla", "frac", "sqrt", "lVert", "lvert", "lfloor"),
    *ACCENTS,
    *(name for name, sign in SYMBOLS.items() if "α" <= sign <= "ω"),
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
    row = re.sub(r"(?<=[(⌊√]) +| +(?=[)⌋,;])", "", row.strip())
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
            return {"-": "−", "'": "′", "*": "∗"}.get(text, text)
        if text in ("left", "right"):
            if self.rest[-1] == ("text", "."):  # a bracket that is not drawn
                self.rest.pop()
            return ""
        if text == "frac":
            ratio = f"{bracketed(self.argument())} / {bracketed(self.argument())}"
            return f"({ratio})" if self.is_multiplied() else ratio
        if text == "sqrt":
            return f"√{bracketed(self.argument())}"
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
    text = text.replace("−", "-")
    if all(letter in HIGH for letter in text):
        return "".join(HIGH[letter] for letter in text)
    return f"^{bracketed(text.replace('-', '−'))}"


def lowered(text: str) -> str:
    """Return a subscript."""
    text = text.replace("−", "-")
    if all(letter in LOW for letter in text):
        return "".join(LOW[letter] for letter in text)
    return f"_{text}" if text.isalnum() or len(text) == 1 else f"_({text.replace('-', '−')})"
