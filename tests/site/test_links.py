"""No link of a page is broken: README, the site with the pages that the code makes, and the texts
beside components."""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path

import pytest

from tests.command import ROOT

FENCE = re.compile(r"^(`{3,}|:{3,}|~{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"``?[^`\n]+``?")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


def files() -> dict[Path, str]:
    """Return the text of every page by its path, also of those that are made for the site."""
    from scripts.site.sphinx_pages import MADE, generated

    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    made = {ROOT / "docs" / path: text for path, text in generated().items()}
    left_out = [ROOT / "docs" / folder for folder in ("_build", *MADE)]
    found += [f for f in (ROOT / "docs").rglob("*.md") if not any(map(f.is_relative_to, left_out))]
    found += (ROOT / "trainer").rglob("*.md")
    notebooks = {
        f: prose_of(f) for f in (ROOT / "docs").rglob("*.ipynb") if "_build" not in f.parts
    }
    return {f: f.read_text() for f in found if f not in made} | made | notebooks


def prose_of(notebook: Path) -> str:
    """Return the text of a notebook without its code."""
    cells = json.loads(notebook.read_text())["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


pytestmark = pytest.mark.slow  # making the pages imports every component


@pytest.fixture(scope="module")
def pages() -> dict[Path, str]:
    return files()


def anchors_of(text: str) -> set[str]:
    """Return what a link into a page can name: headings as GitHub and MyST write them, anchors of
    HTML, labels of MyST."""
    found = set(re.findall(r"<a id=\"([\w-]+)\">", text)) | set(
        re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE)
    )
    counts: dict[str, int] = {}
    for title in re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"<[^>]+>|[`*]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)).strip()
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = counts[slug] = counts.get(slug, -1) + 1
        found.add(f"{slug}-{number}" if number else slug)
    return found


def links_of(text: str) -> list[str]:
    """Return the targets of a page's links and pictures, without what stands in code."""
    prose = CODE.sub("", FENCE.sub(inside, text))
    found = [a or b for a, b in LINK.findall(prose)]
    return [t for t in found if not re.match(r"(https?|mailto):", t)]


def inside(match: re.Match[str]) -> str:
    """Return what a directive of MyST shows; nothing of a block of code."""
    first, _, rest = match[0].partition("\n")
    return rest if first.startswith(":") else ""


def broken(page: Path, text: str, pages: dict[Path, str]) -> list[str]:
    """Return the links of a page that lead nowhere, with why."""
    found = []
    for target in links_of(text):
        path, _, anchor = target.partition("#")
        lies = Path(os.path.normpath(page.parent / path)) if path else page
        if lies not in pages and not lies.exists():
            found.append(f"{page.relative_to(ROOT)}: {target}: no such file")
        elif lies.is_dir():
            found.append(f"{page.relative_to(ROOT)}: {target}: a folder is no page")
        elif anchor and lies.suffix == ".md" and anchor not in anchors_of(pages[lies]):
            found.append(f"{page.relative_to(ROOT)}: {target}: no such heading")
    return found


def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(pages: dict[Path, str]) -> None:
    assert len(pages) >= 80
    assert ROOT / "docs/tutorial/notebook.ipynb" in pages
    assert sum(len(links_of(text)) for text in pages.values()) >= 250
    assert [line for page, text in pages.items() for line in broken(page, text, pages)] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[a](missing.md)", "no such file"),
        ("![a](missing.png)", "no such file"),
        ('<img src="missing.png" alt="a">', "no such file"),
        ("[a](#missing)", "no such heading"),
        ("[a](README.md#missing)", "no such heading"),
        ("[a](docs)", "a folder is no page"),
        (":::{dropdown} Answer\n[a](missing.md)\n:::", "no such file"),
    ],
)
def test_a_broken_link_is_found(text: str, why: str, pages: dict[Path, str]) -> None:
    page = ROOT / "page.md"
    (found,) = broken(page, text, {**pages, page: text})
    assert found.endswith(why)


@pytest.mark.parametrize(
    "text",
    [
        "[a](README.md#what-can-be-chosen)",
        "## Two words: `code`\n[a](#two-words-code)",
        "```\n[a](missing.md)\n```",
        "`[a](missing.md)`",
        "[a](https://example.org)",
    ],
)
def test_a_whole_link_is_not(text: str, pages: dict[Path, str]) -> None:
    page = ROOT / "page.md"
    assert broken(page, text, {**pages, page: text}) == []


def test_every_picture_says_what_it_shows(pages: dict[Path, str]) -> None:
    without = [
        str(page.relative_to(ROOT))
        for page, text in pages.items()
        for alt in re.findall(r"!\[([^\]]*)\]\(", CODE.sub("", FENCE.sub(inside, text)))
        if len(alt) < 8
    ]
    assert without == []


def test_a_page_has_one_title_and_its_headings_skip_no_level(pages: dict[Path, str]) -> None:
    wrong = []
    for page, text in pages.items():
        if "results" in page.parts or page.name == "changelog.md":
            continue  # written by runs, or included whole
        levels = [len(m) for m in re.findall(r"^(#+) ", FENCE.sub("", text), re.MULTILINE)]
        steps = itertools.pairwise(levels)
        if levels.count(1) != 1 or levels[0] != 1 or any(b - a > 1 for a, b in steps):
            wrong.append(str(page.relative_to(ROOT)))
    assert wrong == []


def test_every_picture_is_made_by_a_command_that_stands_with_it(pages: dict[Path, str]) -> None:
    """In the same row of a table, or between the picture and the next heading."""
    without, seen = [], 0
    for page, text in pages.items():
        if "results" in page.parts:
            continue  # of runs, whose command stands at the head of the page
        for match in re.finditer(r"!\[[^\]]*\]\(|<img ", text):
            seen += 1
            row = text[match.end() :].partition("\n")[0]
            section = re.split(r"^#", text[match.end() :], maxsplit=1, flags=re.M)[0]
            where = row if text[: match.start()].rpartition("\n")[2].startswith("|") else section
            if not re.search(r"python -m (trainer|scripts)|make ", where):
                without.append(f"{page.relative_to(ROOT)}: {row}")
    assert without == []
    assert seen >= 10
