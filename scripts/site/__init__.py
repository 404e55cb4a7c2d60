"""What the site of `docs/` is made with, besides Sphinx: pages from the code, formulas, links."""
