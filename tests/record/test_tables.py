import csv
import io
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.command import ROOT
from trainer.record.tables import FORMULA, csv_text, escape_formula, is_number, records_csv


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://x","y")', "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"]
)
def test_a_text_that_would_be_a_formula_has_an_apostrophe_before_it(text: str) -> None:
    assert escape_formula(text) == "'" + text


@pytest.mark.parametrize("value", [-1, -0.5, 1e-7, True, math.inf])
def test_numbers_are_as_they_were(value: float) -> None:
    assert csv_text([[value]]) == f"{value}\n"


@pytest.mark.parametrize("text", ["-0.5", "+1e-3", "-inf", "optim.lr=0.1", "a-b", "'quoted'", ""])
def test_other_texts_and_those_that_are_numbers_are_as_they_were(text: str) -> None:
    assert escape_formula(text) == text


def test_rows_are_lines_and_nothing_is_an_empty_cell() -> None:
    rows = [["arm", "=x"], ["a,b", None], ['say "x"', 0.25]]
    assert csv_text(rows) == 'arm,\'=x\n"a,b",\n"say ""x""",0.25\n'
    assert csv_text([[["-x", 1]]]) == "\"['-x', 1]\"\n"


@pytest.mark.slow
@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.text("'=+-@x1\t,\"", max_size=5), min_size=2, max_size=4))
def test_what_is_written_can_be_read_back(texts: list[str]) -> None:
    (cells,) = csv.reader(io.StringIO(csv_text([texts])))
    assert not [c for c in cells if c[:1] in tuple("=+-@\t") and not is_number(c)]
    assert [c[1:] if c[:1] == "'" and FORMULA.match(c) else c for c in cells] == texts


def test_analyses_write_tables_in_no_other_way() -> None:
    texts = [f.read_text() for f in (ROOT / "trainer" / "analysis").rglob("*.py")]
    assert sum("csv_text(" in text for text in texts) == 5
    assert not any("csv.writer" in text or "csv.Dict" in text for text in texts)


def test_records_have_a_line_of_names() -> None:
    rows = [{"model": "=1+1", "n": 2}, {"model": "mlp", "n": None}]
    assert records_csv(rows) == "model,n\n'=1+1,2\nmlp,\n"
    assert records_csv([]) == ""
