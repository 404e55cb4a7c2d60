"""A page of HTML about runs, to open in a browser, with or without a network.

Usage: python -m trainer.analysis.report RUN_OR_FOLDER ... [--metric val_top1] [--title TEXT]
       [--out FILE]

Writes report.html into the first folder that is named, or FILE.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from trainer.analysis._command import add_metric, reader, trained_runs
from trainer.analysis.report import report
from trainer.core.errors import ConfigError, DiskError, telling_errors


def main() -> None:
    """Report on what the command line names."""
    parser = reader("report", "A page of HTML about runs, to open in a browser.")
    add_metric(parser)
    parser.add_argument("--title", help="the page's heading; default: the folders' names")
    options = parser.parse_args()
    out: Path = options.out or Path(options.places[0]) / "report"
    title = options.title or ", ".join(Path(p).resolve().name for p in options.places)
    with telling_errors():
        write(options.places, out, options.metric, title)


def write(places: Sequence[str], out: Path, metric: str, title: str) -> None:
    """Read runs, write the page and say where it is; `.html` is added to a name without it."""
    out = out if out.suffix == ".html" else Path(f"{out}.html")
    found = trained_runs(places)
    text = report(found.runs, out, metric=metric, title=title, damaged=list(found.damaged))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        is_disk = error.errno in (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
        kind = DiskError if is_disk else ConfigError
        raise kind(f"cannot write --out={out}: {(error.strerror or str(error)).lower()}") from error
    print(f"{len(found.runs)} runs reported: {out} ({len(text.encode()) / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
