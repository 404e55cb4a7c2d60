"""The table of planted bugs fits the sources and the tests as they are."""

from __future__ import annotations

import re

import pytest

from tests.chaos.planted import BUGS, ROOT, Bug


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_can_be_planted_and_its_test_is_there(bug: Bug) -> None:
    text = (ROOT / "trainer" / bug.file).read_text(encoding="utf-8")
    assert text.count(bug.old) == 1
    compile(text.replace(bug.old, bug.new), bug.file, "exec")
    file, _, test = bug.red.partition("::")
    source = (ROOT / file).read_text(encoding="utf-8")
    assert not test or re.search(rf"^def {re.escape(test.partition('[')[0])}\(", source, re.M)


def test_there_are_at_least_25_of_different_names() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 25
