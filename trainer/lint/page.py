"""What the documentation says of the rules, made of their docstrings."""

from trainer.lint.base import described


def sections() -> str:
    """Return a section for each rule, in Markdown."""
    parts = [
        f"## {one.name}\n\n{one.finds} {one.why}\n\n*Source:* {one.source}\n" for one in described()
    ]
    return "\n".join(parts)
