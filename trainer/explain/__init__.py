"""What `explain` says of a name or a key: the page beside the component, with this configuration's
values. Imports no torch.
"""

from trainer.explain.pages import HEADINGS, Page, all_pages, page_of

__all__ = ["HEADINGS", "Page", "all_pages", "page_of"]
