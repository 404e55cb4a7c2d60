"""The command that compares: three files and a table."""

from pathlib import Path

import pytest

from tests.analysis.conftest import Answer


@pytest.mark.slow
def test_three_files_and_a_table(outputs: Path, answer: Answer) -> None:
    done = answer("compare", "outputs", "--out", "there/mine", "--paired")
    assert done.code == 0
    folder = outputs.parent / "there"
    assert sorted(p.name for p in folder.iterdir()) == ["mine.csv", "mine.md", "mine.png"]
    assert (folder / "mine.md").read_text() in done.out
    assert "| optim.lr=0.2 | 3 | 71.00 |" in done.out
    assert "6 runs compared" in done.out
    assert (folder / "mine.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--baseline", "optim.lr=7"), 2, "means 0 of the arms"),
        (("--metric", "avg_val_top1"), 1, "none of the runs completed"),
    ],
)
def test_mistakes_end_in_one_line(
    outputs: Path, answer: Answer, words: tuple[str, ...], code: int, message: str
) -> None:
    done = answer("compare", "outputs", *words)
    assert done.code == code
    assert message in done.err
    assert not (outputs / "compare.md").exists()
