"""A folder of one's own, and the program answering in this process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser, browsing, executable
from tests.command import ROOT, Call, Outcome
from tests.warm import Warm


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Leave the other cores to the other workers."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """Heed Ctrl-C also where a shell started the tests in the background, which ignores it, and a
    closed terminal under nohup."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _smallest_floats() -> Iterator[None]:
    """Take the smallest numbers as they are again: while a run trains its process has 0 for them,
    which hypothesis refuses to work with."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working one."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def call(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Call]:
    """Answer a command line in this process, as `python -m trainer` would."""
    import torch

    from trainer.cli import main as cli

    threads = torch.get_num_threads()

    def run(*overrides: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["trainer/__main__.py", *overrides])
        capfd.readouterr()
        code: object = None
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        except Exception:  # what the interpreter would do
            traceback.print_exc()
            code = 1
        captured = capfd.readouterr()
        assert isinstance(code, int)
        return Outcome(code, captured.out, captured.err)

    yield run
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """A process that forks for each command line."""
    server = Warm()
    yield server
    server.close()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a copy of what git would ship."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in ("trainer", "conf"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(place), str(source)], check=True, capture_output=True)
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser, one for all tests of a file, which are skipped where there is none."""
    program = executable()
    assert program is not None
    with browsing(program) as started:
        yield started
