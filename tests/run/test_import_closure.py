"""What code a result depends on: modules by their imports, and of a module what computes."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import trainer
from tests.command import ROOT, TINY, environment
from trainer import compose
from trainer.config.run_config import RunConfig
from trainer.run import import_closure
from trainer.run.identity import sources_of


def forget() -> None:
    """Read files anew, as another process would."""
    for function in (import_closure.parse, import_closure.code_digest, import_closure.file_of):
        function.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Make a module of a package `plug`, or of another name, and return its file."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str = "") -> Path:
        file = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        for folder in file.relative_to(tmp_path).parents[:-1]:
            (tmp_path / folder / "__init__.py").touch()
        file.write_text(text)
        return file

    yield write
    for name in [n for n in sys.modules if n.split(".")[0] in ("plug", "beside")]:
        del sys.modules[name]
    forget()


def closure(name: str) -> dict[str, str]:
    forget()
    importlib.import_module(name)
    return import_closure.import_closure([name])


def digest(file: Path, text: str) -> str:
    file.write_text(text)
    forget()
    return import_closure.parse("plug.code", file).digest


def test_imports_are_followed_wherever_they_stand(package: Callable[..., Path]) -> None:
    for name in ("a", "b", "d", "g", "h"):
        package(f"plug.{name}")
    package("plug.f", "anything = 1\n")
    package("plug.c", "from .deep import e\n")
    package("plug.deep.e", "from ..f import anything\n")
    package("beside", "import plug.g\n")
    text = (
        "from typing import TYPE_CHECKING\nimport plug.a\nfrom plug import b as other\n"
        "from .c import *\nimport numpy, trainer.core.rng\n"
        "def late():\n    if 1:\n        from . import d\n        import beside\n"
        "if TYPE_CHECKING:\n    import plug.h\n"
    )
    package("plug.root", text)
    found = set(closure("plug.root"))
    assert {n for n in found if n.startswith("plug")} == {
        *("plug", "plug.deep", "plug.root"),
        *("plug.a", "plug.b", "plug.c", "plug.d", "plug.deep.e", "plug.f", "plug.g"),
    }
    assert found >= {"beside", "trainer.core.rng"}
    assert not {n for n in found if n.startswith("numpy")}


def test_an_installed_plugin_s_neighbours_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Callable[..., Path]
) -> None:
    package("site-packages.beside")
    package("site-packages.plug.inner")
    package("site-packages.plug.root", "import beside\nimport plug.inner\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    assert set(closure("plug.root")) == {"plug", "plug.root", "plug.inner"}


def test_a_name_that_a_package_exports_leads_to_where_it_is_defined() -> None:
    item = import_closure.Import("trainer", "read_runs", "read_runs")
    home = import_closure.home_of("trainer")
    assert home is not None
    assert import_closure.defining_module(item, home) == "trainer.record.runs"


CODE = '''"""A module."""
import warnings

class A:
    """A class."""

    size: int = 3
    """Of it."""

    def check(self, value: int) -> int:
        """Check."""
        assert value, "no value"
        if value < 0:  # never
            raise ConfigError(f"value must be positive, got {value}, " + "a number")
        warnings.warn("small", stacklevel=2)
        return torch.einsum("ij,jk->ik", value)
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# never", "# sometimes"),
        ('"""Check."""', '"""Check it\n        well."""'),
        ('    """Of it."""\n', ""),
        ("A module.", "The module."),
        ("no value", "a value"),
        ("value must be positive", "negative"),
        ("{value}, ", "{value!r} "),
        ("a number", "no number"),
        ('"small"', '"very small"'),
        ("value: int) -> int", "value: float) -> float"),
        ("import warnings\n", "import warnings\n\n\n"),
        ("value < 0", "(value < 0)"),
        ("import warnings\n", "import warnings\nif TYPE_CHECKING:\n    import nothing\n"),
    ],
)
def test_what_computes_nothing_does_not_count(old: str, new: str, tmp_path: Path) -> None:
    assert old in CODE
    file = tmp_path / "code.py"
    assert digest(file, CODE) == digest(file, CODE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("size: int = 3", "size: int = 4"),
        ("size: int", "size: float"),
        ("ij,jk->ik", "ij,kj->ik"),
        ("value < 0", "value <= 0"),
        ("raise ConfigError", "raise DataError"),
        ("stacklevel=2", "stacklevel=3"),
        ("assert value,", "assert not value,"),
    ],
)
def test_what_computes_counts(old: str, new: str, tmp_path: Path) -> None:
    assert old in CODE
    file = tmp_path / "code.py"
    assert digest(file, CODE) != digest(file, CODE.replace(old, new))


# A file of the program, what is put at its end, and whose results that makes anew.
CHANGES = {
    "optim/adam.py": "adam",
    "optim/_foreach.py": "lion muon",
    "mix/_blend.py": "mixup cutmix",
    "mix/_pairs.py": "all",  # by mix/base.py
    "model/mlp.py": "all",
    "model/_init.py": "all",
    "loop.py": "all",
    "core/rng.py": "all",
}

HARMLESS = {
    **dict.fromkeys(("loop.py", "optim/adam.py"), "# a comment\n"),
    "optim/base.py": ("above 0", "of more than 0"),  # in the texts of errors
    "state.py": ('"""A run', '"""The run'),
    **dict.fromkeys(("model/vgg16.py", "core/errors.py", "config/run_config.py"), "X = 1\n"),
    **dict.fromkeys(("analysis/curves.py", "study/make.py", "task/plan.py"), "X = 1\n"),
    **dict.fromkeys(("record/runs.py", "record/tensorboard.py", "cli/main.py"), "X = 1\n"),
    **dict.fromkeys(("sweep/pool.py", "composition/compose.py"), "X = 1\n"),
}

CHOICES = {
    "sgd": ("optim=sgd",),
    "adam": ("optim=adam",),
    "lion": ("optim=lion",),
    "muon": ("optim=muon",),
    "mixup": ("mix=mixup",),
    "cutmix": ("mix=cutmix",),
}


@pytest.fixture(scope="module")
def configs() -> dict[str, RunConfig]:
    return {name: compose(*TINY, *line) for name, line in CHOICES.items()}


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the program's sources, which is read in their place."""
    ignored = shutil.ignore_patterns("__pycache__", "*.npz")
    place = Path(shutil.copytree(ROOT / "trainer", tmp_path / "trainer", ignore=ignored))
    monkeypatch.setattr(trainer, "__path__", [str(place)])
    yield place
    forget()


def anew(configs: dict[str, RunConfig], before: dict[str, str]) -> set[str]:
    """Return which configurations have other sources than before."""
    forget()
    return {name for name, config in configs.items() if sources_of(config) != before[name]}


@pytest.fixture(scope="module")
def before(configs: dict[str, RunConfig]) -> dict[str, str]:
    forget()
    return {name: sources_of(config) for name, config in configs.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("file", "expected"), CHANGES.items())
def test_a_change_makes_the_results_anew_that_depend_on_it(
    file: str, expected: str, copied: Path, configs: dict[str, RunConfig], before: dict[str, str]
) -> None:
    with open(copied / file, "a") as changed:
        changed.write("X = 1\n")
    assert anew(configs, before) == set(CHOICES if expected == "all" else expected.split())


@pytest.mark.slow
def test_other_changes_make_no_result_anew(
    copied: Path, configs: dict[str, RunConfig], before: dict[str, str]
) -> None:
    for file, edit in HARMLESS.items():
        text = (copied / file).read_text()
        changed = text + edit if isinstance(edit, str) else text.replace(*edit)
        assert changed != text
        (copied / file).write_text(changed)
    assert anew(configs, before) == set()


@pytest.mark.slow
def test_the_networks_count_that_a_teacher_may_have(tmp_path: Path) -> None:
    plain = compose(*TINY)
    distilled = compose(*TINY, "loss=distill", f"loss.teacher={tmp_path}")
    assert sources_of(plain) != sources_of(distilled)
    names = import_closure.import_closure(["trainer.loss.distill"])
    assert "trainer.model.vgg16" not in names
    assert sources_of(distilled) == sources_of(compose(*TINY, "loss=distill", "loss.teacher=x"))


LOADED = """
import sys
from tests.training import trained
from tests.command import TINY
from trainer.composition.compose import compose_overrides
from trainer.config.run_config import parse
from trainer.config.compare import parts
from trainer.run import identity
from trainer.run.import_closure import import_closure, is_left_out
words = {words!r}
trained(*words)
config = parse(compose_overrides((*TINY, *words)).cfg)
modules = {{*identity.TRAINING, *(type(part).__module__ for _, part in parts(config))}}
known = import_closure(modules)
assert len(known) > 50, known
for name, module in sys.modules.items():
    if name.startswith("trainer.") and not hasattr(module, "__path__"):  # no package
        if name not in known and not is_left_out(name):
            print(name)
"""


@pytest.mark.slow
def test_every_module_that_a_training_loads_is_known(tmp_path: Path) -> None:
    words = ("optim=muon", "mix=cutmix", "average=swa", "scheduler=cosine", "augment=[standard]")
    code = LOADED.format(words=(*words, "average.start=1st", "average.every=1st"))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    unrelated = (  # what reads a configuration, drives a training and writes its record
        *("trainer._version", "trainer.core.yaml_files", "trainer.run."),
        *("trainer.checkpoint.saver", "trainer.strategy.failures", "trainer.core.command"),
        *("trainer.core.locks", "trainer.data._pictures", "trainer.evaluation."),
    )
    assert [name for name in done.stdout.split() if not name.startswith(unrelated)] == []
