"""The pages beside the components, as Markdown that the terminal and the site share.

A page is `trainer/<group>/<name>.md`: a title, a line `Written: ...` with the words that it
explains (`scheduler=cosine`, or keys such as `clip_norm`), and a section under each of `HEADINGS`.
"""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

HEADINGS = (
    *("Idea", "Formula", "Mechanism", "Try", "Look", "Pitfalls", "Worth", "Exercises"),
    "Sources",
)
WRITTEN = "Written: "


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        file: its Markdown.
        title: of the trick.
        written: words that it explains: `group=name`, or dotted keys.
        sections: Markdown under each heading.
    """

    file: Path
    title: str
    written: tuple[str, ...]
    sections: dict[str, str]

    @property
    def commands(self) -> list[str]:
        """The lines to try."""
        blocks = re.findall(r"^```\n(.*?)^```", self.sections["Try"], re.MULTILINE | re.DOTALL)
        return [line for block in blocks for line in block.splitlines()]

    @property
    def papers(self) -> list[str]:
        """The arXiv numbers that it names."""
        return re.findall(r"arXiv:(\S*?\d)(?![\d.]*\d)", self.file.read_text(encoding="utf-8"))


@functools.cache
def all_pages() -> tuple[Page, ...]:
    """Return every page of the package, by its path."""
    return tuple(read_page(file) for file in sorted(PACKAGE.glob("*/*.md")))


def read_page(file: Path) -> Page:
    """Return a page; it has a title and a line of what it explains."""
    title, written, body = file.read_text(encoding="utf-8").split("\n\n", 2)
    parts = re.split(r"^## (.+)\n", body, flags=re.MULTILINE)
    sections = {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    return Page(
        file,
        title.removeprefix("# ").strip(),
        tuple(re.findall(r"`([^`]+)`", written)) if written.startswith(WRITTEN) else (),
        sections,
    )


def page_of(word: str) -> Page | None:
    """Return the page that explains `group=name` or a key, or None."""
    return next((page for page in all_pages() if word in page.written), None)
