"""Settings of Sphinx for the site: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from trainer._version import __version__  # noqa: E402

project = "trainer"
author = "the authors of trainer"
release = version = __version__

extensions = ["myst_nb", "sphinx_design", "scripts.site.mathml", "scripts.site.sphinx_pages"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
suppress_warnings = ["myst.header"]  # records of runs begin some sections two levels down
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # `make docs-test` runs what stands in the pages
highlight_language = "text"

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "trainer"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = True
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5394", "color-brand-content": "#0b5394"},
    "dark_css_variables": {"color-brand-primary": "#8ab4f8", "color-brand-content": "#8ab4f8"},
}
