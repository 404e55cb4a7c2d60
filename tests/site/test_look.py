"""What looks at the built site finds each fault on a page made for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import browsing, executable
from tests.site import look

BAD = """<!doctype html><html lang="en"><body><article><h1>One</h1><h3>Three</h3>
<p style="color: #999; background: #fff">faint</p><img src="missing.png">
<div style="width: 2000px">wide</div></article></body></html>"""
GOOD = """<!doctype html><html lang="en"><body><article><h1>One</h1><h2>Two</h2>
<p style="color: #333; background: #fff">plain</p></article></body></html>"""


@pytest.mark.slow
def test_faults_of_a_page_are_found_and_a_good_page_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = executable()
    if program is None:
        pytest.skip("needs Chromium")
    monkeypatch.setattr(look, "SITE", tmp_path)
    (tmp_path / "bad.html").write_text(BAD)
    (tmp_path / "good.html").write_text(GOOD)
    with browsing(program) as browser:
        found = "\n".join(look.problems(browser, tmp_path / "bad.html", None))
        assert look.problems(browser, tmp_path / "good.html", None) == []
    for what in (
        *("picture without a text", "picture is not shown", "heading skips a level"),
        *("contrast 2.85", "wider than the window: 20"),
    ):
        assert what in found
