"""What Sphinx does besides: it writes the pages that the code determines, and `llms.txt`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.site import messages, reference, tricks

if TYPE_CHECKING:
    from sphinx.application import Sphinx

MADE = ("reference/keys", "tricks")  # folders of docs/ that hold nothing but what is made here


def generated() -> dict[str, str]:
    """Return every page that is made, by its path in `docs/`."""
    made = reference.pages() | tricks.pages()
    return {**made, "reference/keys/messages.md": messages.page()}


def write(app: Sphinx) -> None:
    """Write the pages where they changed, and delete those that are made no more."""
    docs = Path(app.srcdir)
    made = generated()
    for folder in MADE:
        for file in (docs / folder).rglob("*.md"):
            if str(file.relative_to(docs)) not in made:
                file.unlink()
    for path, text in made.items():
        file = docs / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_text() != text:
            file.write_text(text)


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """Turn anchors of HTML, as GitHub needs them, into those of MyST, and give a page that a run
    wrote without a title its name."""
    text = re.sub(r'^(#+ )<a id="([\w-]+)"></a>', r"(\2)=\n\1", source[0], flags=re.MULTILINE)
    if name.startswith("results/") and not re.search(r"^# ", text, re.MULTILINE):
        text = f"# {name.removeprefix('results/')}\n\n{text}"
    source[0] = text


def llms(app: Sphinx, error: Exception | None) -> None:
    """Write `llms.txt`: every page with its title, for programs that read the site."""
    if error is not None or app.builder.name != "html":
        return
    lines = [
        f"# {app.config.project}",
        "",
        "> A config-driven experiment runner for the tricks of training neural networks on images.",
        "> Install: `python -m pip install -e .`; run: `python -m trainer`; one trick: "
        "`python -m trainer demo mixup`.",
        "",
    ]
    section = ""
    for name in sorted(app.env.found_docs):
        begins = name.split("/")[0] if "/" in name else ""
        if begins != section:
            section = begins
            lines += ["", f"## {section}", ""]
        title = app.env.titles[name].astext()
        suffix = Path(app.env.doc2path(name)).suffix
        lines.append(f"- [{title}](_sources/{name}{suffix}.txt)")
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines) + "\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect all of these."""
    app.connect("builder-inited", write)
    app.connect("source-read", read)
    app.connect("build-finished", llms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
