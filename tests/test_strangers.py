"""What people add without editing a file: the README's recipe, two tricks more, and a plugin."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT, TINY, environment, snapshot
from tests.warm import Warm
from trainer.record.runs import read_run

SAM_TEST = """import torch

from trainer.optim import Member, OptimKeys, ParameterGroup
from trainer.optim.sam import Sam


def test_the_gradient_that_counts_is_the_one_rho_up_the_slope():
    p = torch.nn.Parameter(torch.tensor([1.0]))
    group = ParameterGroup("all", (Member("p", p, frozenset()),), lr=0.5, weight_decay=0.0)
    optimizer = Sam(rho=0.5, momentum=0.0).build([group], OptimKeys(lr=0.5))
    p.grad = torch.tensor([1.0])

    def closure():
        p.grad = p.detach().clone()

    optimizer.step(closure)
    assert p.tolist() == [1.0 - 0.5 * 1.5]
"""
FOCAL_TEST = """import torch

from trainer.loss import Batch
from trainer.loss.focal import Focal


def test_of_two_even_classes_it_is_a_quarter_of_cross_entropy():
    batch = Batch(torch.zeros(1, 1, 1, 1), torch.tensor([0]), 2)
    loss = Focal(gamma=2.0)(torch.zeros(1, 2), batch)
    assert torch.allclose(loss, torch.tensor(2.0).log() / 4)
"""
FADE = '''"""Fades half of the images."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trainer.mix import MIXES, Batch, Pairs


@MIXES.register("fade")
@dataclass(frozen=True)
class Fade:
    """Multiplies images by a factor.

    Attributes:
        factor: in (0, 1].
    """

    factor: float = 0.5

    def __call__(self, batch: Batch, pairs: Pairs) -> Batch:
        """Return the faded batch."""
        return replace(batch, images=batch.images * self.factor)
'''
FADE_TEST = """from trainer.mix.fade import Fade


def test_the_default_halves():
    assert Fade().factor == 0.5
"""


def recipe() -> dict[str, str]:
    """Return the files of the README's recipe, by path."""
    text = (ROOT / "README.md").read_text().split("## Adding a trick")[1]
    found = re.findall(r"^`([\w/.]+)`.*?```\w+\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    return {path: content for path, content in found if "/" in path}


def documented() -> tuple[dict[str, str], dict[str, str]]:
    """Return the examples of docs/howto/components.md: code by component, YAMLs by path."""
    text = (ROOT / "docs" / "howto" / "components.md").read_text()
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = [re.findall(r'register\("(\w+)"\)', block)[0] for block in code]
    yaml = re.findall(r"^`(conf/[\w/.]+)`\n\n```yaml\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    assert set(names) == {Path(path).stem for path, _ in yaml} == {"sqrt", "focal", "sam"}
    return dict(zip(names, code, strict=True)), dict(yaml)


def shared_keys() -> str:
    """Return the lines of a mixing's YAML that hold the keys which all of the group have."""
    lines = (ROOT / "conf" / "mix" / "mixup.yaml").read_text().splitlines()
    return "\n".join(x for x in lines if x.split(":")[0] not in ("name", "alpha")) + "\n"


@pytest.mark.slow
def test_a_schedule_an_optimizer_a_loss_and_a_mix_are_three_new_files_each(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in ("trainer", "conf", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    (copy / "scripts").mkdir()
    before = snapshot(copy)
    files = recipe()
    assert set(files) == {
        *("trainer/scheduler/sqrt.py", "conf/scheduler/sqrt.yaml", "tests/scheduler/test_sqrt.py")
    }
    code, yaml = documented()
    files |= {
        "trainer/optim/sam.py": code["sam"],
        "conf/optim/sam.yaml": yaml["conf/optim/sam.yaml"],
        "tests/optim/test_sam.py": SAM_TEST,
        "trainer/loss/focal.py": code["focal"],
        "conf/loss/focal.yaml": yaml["conf/loss/focal.yaml"],
        "tests/loss/test_focal.py": FOCAL_TEST,
        "trainer/mix/fade.py": FADE,
        "conf/mix/fade.yaml": "name: fade\nfactor: 0.5\n" + shared_keys(),
        "tests/mix/test_fade.py": FADE_TEST,
    }
    for path, content in files.items():
        (copy / path).write_text(content)
    env = {**environment(), "PYTHONPATH": str(copy)}
    overrides = ["scheduler=sqrt", "scheduler.power=0.7", "scheduler.warmup=1st", "optim=sam"]
    overrides += ["loss=focal", "mix=fade", "hydra.run.dir=run"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "trainer",
            *TINY,
            *overrides,
            "loss=focal",
            "mix=fade",
            "hydra.run.dir=run",
        ],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        [sys.executable, "-m", "trainer", "--help"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
    )
    assert "sqrt" in shown.stdout
    assert "sam" in shown.stdout
    tests = [p for p in files if p.startswith("tests/")] + ["tests/test_architecture.py"]
    checked = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        env=env,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout[-3000:]
    after = {p: d for p, d in snapshot(copy).items() if "__pycache__" not in p}
    assert {p: d for p, d in after.items() if p in before} == before  # no file was edited
    assert set(after) - set(before) == set(files)


@pytest.mark.slow
def test_a_plugin_s_component_is_chosen_by_name_and_only_where_it_is_named(
    warm: Warm, here: Path
) -> None:
    package = here / "my_package"
    (package / "conf" / "mix").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "tricks.py").write_text(FADE)
    (package / "conf" / "mix" / "fade.yaml").write_text(
        "name: fade\nfactor: 0.25\n" + shared_keys()
    )
    overrides = [*TINY, "mix=fade", "hydra.run.dir=run"]
    unknown = warm.run(overrides, here)
    assert unknown.code == 2
    assert "unknown mix 'fade'" in unknown.err
    done = warm.run([*overrides, "plugins=[my_package.tricks]"], here)
    assert done.code == 0, done.err
    again = warm.run(["repeat=run", "hydra.run.dir=again"], here)
    assert again.code == 2  # a recorded configuration imports nothing
    assert "fade" in again.err
    named = warm.run(["repeat=run", "plugins=[my_package.tricks]", "hydra.run.dir=again"], here)
    assert named.code == 0, named.err


def examples(here: Path) -> str:
    """Write the package of docs/howto/components.md; return the words that read it."""
    code, yaml = documented()
    package = here / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tricks.py").write_text("\n\n".join(code.values()))
    for path, content in yaml.items():
        (package / path).parent.mkdir(parents=True)
        (package / path).write_text(content)
    return "plugins=[my_package.tricks]"


@pytest.mark.slow
def test_the_examples_of_the_documentation_run_as_they_stand(warm: Warm, here: Path) -> None:
    plugin = examples(here)
    text = (ROOT / "docs" / "howto" / "components.md").read_text()
    line = re.findall(r"^python -m trainer (plugins=.*)$", text, re.MULTILINE)[0].split()
    assert plugin in line
    done = warm.run([*TINY, *line, "hydra.run.dir=run"], here)
    assert done.code == 0, done.err
    chosen = read_run(here / "run").config
    assert [chosen[g]["name"] for g in ("optim", "loss", "scheduler")] == ["sam", "focal", "sqrt"]
    bad = warm.run([*TINY, plugin, "loss=focal", "loss.gamma=-1"], here)
    assert bad.code == 2
    assert "loss.gamma must be 0 or more, got -1" in bad.err


@pytest.mark.slow
def test_a_closure_s_gradients_are_clipped_and_its_losses_are_not_counted(
    warm: Warm, here: Path
) -> None:
    plugin = examples(here)
    words = [*TINY, "model.norm=none", "accumulate=2", "clip_norm=0.1", "optim.weight_decay=0"]
    near = [plugin, "optim=sam", "optim.rho=1e-20"]  # so near that no weight moves there
    for name, line in {"sam": near, "sgd": ["optim=sgd", "optim.nesterov=false"]}.items():
        done = warm.run([*words, *line, f"hydra.run.dir={name}"], here)
        assert done.code == 0, done.err
    sam, sgd = read_run(here / "sam"), read_run(here / "sgd")
    assert sam.summary["weights_sha256"] == sgd.summary["weights_sha256"]
    assert [e.train_loss for e in sam.epochs] == [e.train_loss for e in sgd.epochs]
    far = warm.run([*words, plugin, "optim=sam", "precision=fp16", "hydra.run.dir=far"], here)
    assert far.code == 0, far.err
    assert read_run(here / "far").summary["weights_sha256"] != sgd.summary["weights_sha256"]
