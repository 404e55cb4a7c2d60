"""The playground's page in a browser, one for all tests of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import Browser
from trainer.playground.join import page_of


@pytest.fixture(scope="session")
def plain_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page without runs."""
    file = tmp_path_factory.mktemp("page") / "playground.html"
    file.write_text(page_of(), encoding="utf-8")
    return file


@pytest.fixture
def opened(browser: Browser, plain_page: Path) -> Browser:
    """The page as it is when it has just been opened."""
    browser.look()
    browser.open(plain_page)
    return browser
