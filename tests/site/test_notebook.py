"""The notebook of the tutorial runs from top to bottom in a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import PATIENCE_S, ROOT
from tests.warm import Warm

NOTEBOOK = ROOT / "docs" / "tutorial" / "notebook.ipynb"

# What a notebook does: every cell in one namespace, and its last expression is shown.
PROGRAM = """
import ast, json, sys

space = {"__name__": "__main__"}
shown = []
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        *body, last = ast.parse("".join(cell["source"])).body
        value = None
        if isinstance(last, ast.Expr):
            exec(compile(ast.Module(body, []), "cell", "exec"), space)
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), space)
        else:
            exec(compile(ast.Module([*body, last], []), "cell", "exec"), space)
        html = getattr(value, "_repr_html_", None)
        shown.append("" if value is None else html() if html else repr(value))
facts = {
    "shown": shown,
    "line": str(space["run"]),
    "statuses": [row.status for row in space["results"]],
    "frame": [len(space["frame"]), space["frame"]["val_top1"].tolist()],
    "runs": [run.val_top1 for run in space["runs"]],
    "arms": [row.spread.n for row in space["comparison"].rows],
    "accuracies": [space["accuracy"], space["run"].test["top1"]],
}
json.dump(facts, open("facts.json", "w"))
"""


def test_it_keeps_no_output() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    codes = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(codes) >= 8
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in codes)


@pytest.mark.slow
def test_its_cells_run_in_their_order(here: Path, warm: Warm) -> None:
    pytest.importorskip("pandas")
    (here / "cells.py").write_text(PROGRAM)
    process = warm.start(["cells.py", str(NOTEBOOK)], here)
    out, err = process.communicate(PATIENCE_S)
    assert process.wait() == 0, err
    facts = json.loads((here / "facts.json").read_text())
    assert facts["line"] in out.splitlines()
    assert len(facts["line"]) <= 120
    assert facts["statuses"] == ["completed"] * 6
    assert facts["frame"] == [6, facts["runs"]]
    assert facts["arms"] == [3, 3]
    assert facts["accuracies"][0] == pytest.approx(facts["accuracies"][1], abs=1e-6)
    assert facts["accuracies"][0] > 0.5
    assert sum("<table" in text for text in facts["shown"]) >= 4
    assert out.count("epoch ") >= 5
