"""What can be explained, as a list."""

from collections.abc import Iterator

from rich.text import Text

from trainer.composition.search_path import SEAMS, Sources
from trainer.explain.pages import all_pages, page_of


def everything(found: Sources) -> Iterator[Text]:
    """Yield the names of each group, and the keys with a page."""
    for group in SEAMS:
        yield from names_of(group, found)
    yield Text("Keys with a page of their own", "bold")
    for page in all_pages():
        if not any("=" in word for word in page.written):
            yield Text.assemble("  ", (", ".join(page.written), "cyan"), f": {page.title}")
    yield Text()
    yield Text("Any other key as well, as in `explain average.every`; presets, as in")
    yield Text("`explain +experiment=mnist`.")


def names_of(group: str, found: Sources) -> Iterator[Text]:
    """Yield the names of a group with their titles."""
    yield Text(group, "bold")
    for name in found.options(group):
        page = page_of(f"{group}={name}")
        title = page.title if page else ""
        yield Text.assemble("  ", (f"{group}={name}".ljust(28), "cyan"), title)
    yield Text()
