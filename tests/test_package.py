"""The package as people install it: a wheel with its YAML, which tests/test_readme.py runs."""

from __future__ import annotations

import configparser
import os
import re
import sys
import zipfile
from pathlib import Path

import pytest
from setuptools import find_packages

from tests.command import ROOT
from trainer.analysis.report._page import SCRIPTS

SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")


def test_the_list_of_packages_is_complete() -> None:
    listed = SETUP["options"]["packages"].split()
    found = find_packages(str(ROOT), include=["trainer", "trainer.*"])
    assert sorted(listed) == sorted({*found, "trainer.conf"})


@pytest.mark.slow
def test_every_distribution_that_is_imported_is_required() -> None:
    extras = SETUP["options.extras_require"]
    lines = SETUP["options"]["install_requires"] + extras["report"] + extras["onnx"]
    required = {re.split(r"[<>=]", line)[0].lower() for line in lines.split("\n") if line}
    names = {"hydra": "hydra-core", "yaml": "pyyaml", "PIL": "torchvision"}  # brings Pillow
    found = set()
    for file in (ROOT / "trainer").rglob("*.py"):
        for match in re.finditer(r"^\s*(?:import|from) (\w+)", file.read_text(), re.MULTILINE):
            if match[1] not in (*sys.stdlib_module_names, "trainer"):
                found.add(names.get(match[1], match[1]).lower())
    # imported by torch.utils.tensorboard, and by torch.onnx
    assert found | {"tensorboard", "onnx", "onnxscript"} == required


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_configuration(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(f.relative_to(ROOT)) for f in (ROOT / "trainer").rglob("*.py")}
    conf = {f"trainer/{f.relative_to(ROOT)}" for f in (ROOT / "conf").rglob("*.yaml")}
    page = {f"trainer/analysis/report/{name}" for name in ("page.html", "page.css", *SCRIPTS)}
    page |= {str(f.relative_to(ROOT)) for f in (ROOT / "trainer/playground/page").iterdir()}
    texts = {str(f.relative_to(ROOT)) for f in (ROOT / "trainer").rglob("*.md")}
    assert len(texts) >= 90
    assert modules | conf | page | texts | {"trainer/data/digits.npz", "trainer/py.typed"} <= held
    assert not [name for name in held if name.startswith(("tests/", "conf/"))]


def test_the_console_script_is_the_same_program() -> None:
    scripts = SETUP["options.entry_points"]["console_scripts"].strip()
    assert scripts == "trainer = trainer.cli.main:main"


def test_tests_have_what_extras_need() -> None:
    extras = SETUP["options.extras_require"]
    assert {*extras["report"].split(), *extras["onnx"].split()} <= set(extras["test"].split())
    locked = (ROOT / "requirements-test.lock").read_text().lower()
    assert "\nbokeh==" in locked
    assert "pandas==" not in locked


def test_lock_files_pin_every_line_and_name_no_place() -> None:
    for name in ("requirements.lock", "requirements-test.lock", "requirements-docs.lock"):
        lines = [x for x in (ROOT / name).read_text().splitlines() if not x.startswith("#")]
        assert len(lines) >= 40
        for line in lines:
            assert re.fullmatch(r"[\w.-]+==[\w.+!-]+(; sys_platform == \"linux\")?", line), line


def test_the_makefile_has_the_commands_that_the_readme_names() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"run", "test", "check", "format", "bench", "smoke", "ddp"} <= targets
    ci = (ROOT / ".ci" / "run").read_text()
    assert "make test" in ci
    assert "chromium" in ci.split("make test")[0]  # without it the report's tests are skipped
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
