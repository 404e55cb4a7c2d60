"""Tables as CSV, safe to open in a spreadsheet, and as Markdown."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

# "CSV Injection", OWASP: what spreadsheets take for a formula, full-width signs among it. A text
# that has apostrophes before such a sign gets one more, so that none is lost on the way back.
FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV. None is an empty cell; a text that would be a formula has an apostrophe
    before it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(map(escape_formula, row) for row in rows)
    return out.getvalue()


def records_csv(records: Sequence[Mapping[str, object]]) -> str:
    """Return records as CSV, after a line with the names of the first; nothing of none."""
    if not records:
        return ""
    names = list(records[0])
    return csv_text([names, *([record.get(name) for name in names] for record in records)])


def escape_formula(value: object) -> object:
    """Return a cell's value: a text that no spreadsheet calculates, a number as it is.

    Where a cell that is read back begins with apostrophes and then a sign of `FORMULA`, the first
    apostrophe is the one that was put there.
    """
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    return f"'{text}" if FORMULA.match(text) and not is_number(text) else text


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """Return a table in Markdown, without a line feed at its end; the first `texts` columns are
    texts, the others numbers, flush right."""
    marks = ["---"] * texts + ["---:"] * (len(heads) - texts)
    return "\n".join(map(markdown_row, (heads, marks, *rows)))


def markdown_row(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
