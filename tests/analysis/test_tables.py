import csv
import io

import pytest

from tests.analysis.runs import lr, made_run
from trainer.analysis._arms import arms_of
from trainer.analysis._tables import p_text
from trainer.analysis.compare import Comparison, compare, to_csv, to_markdown


def comparison(metric: str = "val_top1", *, is_paired: bool = False) -> Comparison:
    runs = [made_run(s, 0.50 + 0.02 * s, path="a", **lr(0.1)) for s in range(3)]
    runs += [made_run(s, 0.60 + 0.01 * s**2, path="b", **lr(0.2)) for s in range(3)]
    runs += [made_run(5, 0.1, path="b", status="diverged", **lr(0.2))]
    runs += [made_run(6, 0.1, path="b", status="failed", commit="decafbad", **lr(0.2))]
    runs += [made_run(0, 0.1, path="A", **lr(0.2))]  # an older run of seed 0
    return compare(arms_of(runs), metric, "optim.lr=0.1", is_paired=is_paired)


def test_csv_holds_settings_and_numbers() -> None:
    rows = {row["arm"]: row for row in csv.DictReader(io.StringIO(to_csv(comparison())))}
    base, other = rows["optim.lr=0.1"], rows["optim.lr=0.2"]
    assert (base["optim.lr"], base["n"], base["difference"], base["p"]) == ("0.1", "3", "", "")
    assert float(base["mean"]) == pytest.approx(0.52)
    assert float(base["sd"]) == pytest.approx(0.02)
    assert float(other["difference"]) == pytest.approx(0.61 + 0.02 / 3 - 0.52)
    assert float(other["low"]) < float(other["difference"]) < float(other["high"])
    assert (other["diverged"], other["failed"], other["repeated"]) == ("1", "1", "1")


def test_markdown_holds_percent_and_says_what_its_numbers_are() -> None:
    text = to_markdown(comparison())
    lines = text.splitlines()
    (base,) = [line for line in lines if line.startswith("| optim.lr=0.1")]
    (other,) = [line for line in lines if line.startswith("| optim.lr=0.2")]
    assert base == "| optim.lr=0.1 | 3 | 52.00 | 2.00 |  |  |  |  |  | 0 | 0 |"
    assert "| 3 | 61.67 | 2.08 | +9.67 | +5.04 to +14.30 |" in other
    assert other.endswith("| 1 | 1 |")
    assert "differences are from `optim.lr=0.1` (Welch's t)" in text
    assert "(t(0.975, df) + t(0.80, df)) x standard error" in text
    assert "- 1 of the runs diverged: counted, not in the means" in lines
    assert "- 1 of the runs failed or did not end: counted, not in the means" in lines
    assert "- 1 of the runs left out: a later or finished run has their setting and seed" in lines
    assert "- the runs are of 2 commits: c0ffee, decafbad" in lines
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_pairs_are_called_so_and_losses_are_no_percent() -> None:
    text = to_markdown(comparison("val_loss", is_paired=True))
    assert "(paired by seed, Student's t)" in text
    assert "| 0.48 | 0.02 |" in text


def test_a_bar_in_a_label_does_not_break_the_table() -> None:
    runs = [
        made_run(0, 0.5, path=str(i), model={"name": "cnn", "x": x}) for i, x in enumerate("a|")
    ]
    lines = to_markdown(compare(arms_of(runs), "val_top1")).splitlines()
    assert "| model.x=\\| | 1 |" in lines[3]


def test_small_chances() -> None:
    assert [p_text(p) for p in (None, 0.5, 0.0123, 1e-9)] == ["", "0.5", "0.012", "< 0.0001"]
