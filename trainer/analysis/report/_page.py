"""The page: a template filled with tables, maps and curves, its scripts and styles inside."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from trainer.core.errors import ConfigError
from trainer.record.offline import policy

SCRIPTS = ("theme.js", "table.js", "curves.js")
# In its order: the library refers to what came before. NaN is no JSON.
JSON = {"sort_keys": False, "allow_nan": False, "separators": (",", ":")}
NEEDED = "the report needs Bokeh: pip install bokeh jinja2"


def fill(content: Mapping[str, Any]) -> str:
    """Return the page that shows `content`.

    Every text is escaped on its way in. The page's policy lets only the scripts run that were put
    in here, known by their hashes, and lets nothing be fetched: a name that looks like a script
    stays a name.

    Raises:
        ConfigError: if the library is not installed.
    """
    from jinja2 import Environment, StrictUndefined

    scripts = [*library(), *(text_of(name) for name in SCRIPTS)]
    page = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page.policies["json.dumps_kwargs"] = JSON
    return page.from_string(text_of("page.html")).render(
        **content, style=text_of("page.css"), scripts=scripts, policy=policy(scripts)
    )


def library() -> list[str]:
    """Return the scripts of the plotting library.

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        from bokeh.resources import Resources
    except ImportError as error:
        raise ConfigError(NEEDED) from error
    found = Resources(mode="inline", components=["bokeh"], log_level="error")
    return list(found.js_raw)


def text_of(name: str) -> str:
    return (files("trainer.analysis.report") / name).read_text(encoding="utf-8")
