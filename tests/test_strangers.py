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

SIGN_SGD = '''"""SignSGD, arXiv:1802.04434."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from trainer.optim.base import OPTIMIZERS, Group, OptimKeys, torch_groups


class SignSgdOptimizer(torch.optim.Optimizer):
    """Moves every weight by lr against the sign of its gradient."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Take a step."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad.sign(), alpha=-group["lr"])


@OPTIMIZERS.register("sign_sgd")
@dataclass(frozen=True)
class SignSgd:
    """Every weight moves by lr against the sign of its gradient."""

    def build(self, groups: Sequence[Group], keys: OptimKeys) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return SignSgdOptimizer(torch_groups(groups), {})
'''
SIGN_TEST = """import torch

from trainer.optim.base import Group, Member, OptimKeys
from trainer.optim.sign_sgd import SignSgd


def test_a_step_is_lr_long():
    p = torch.nn.Parameter(torch.zeros(2))
    group = Group("all", (Member("p", p, frozenset()),), lr=0.5, weight_decay=0.0)
    optimizer = SignSgd().build([group], OptimKeys(lr=0.5))
    p.grad = torch.tensor([3.0, -0.1])
    optimizer.step()
    assert p.tolist() == [-0.5, 0.5]
"""
FADE = '''"""Fades half of the images."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trainer.data.base import Batch
from trainer.duration import Clock
from trainer.mix.base import MIXES


@MIXES.register("fade")
@dataclass(frozen=True)
class Fade:
    """Multiplies images by a factor.

    Attributes:
        factor: in (0, 1].
    """

    factor: float = 0.5

    def __call__(self, batch: Batch, clock: Clock) -> Batch:
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


def shared_keys(group: str) -> str:
    """Return the lines of a group's YAML that its shared keys are, from a file that is there."""
    sample = {"optim": "sgd", "mix": "mixup"}[group]
    own = {"optim": ("name", "momentum", "nesterov"), "mix": ("name", "alpha")}[group]
    from dataclasses import fields

    from trainer.config.groups import REGISTRIES

    names = {f.name for f in fields(REGISTRIES[group].shared)}
    lines = (ROOT / "conf" / group / f"{sample}.yaml").read_text().splitlines()
    kept = [x for x in lines if x.split(":")[0] in names]
    assert not [x for x in kept if x.split(":")[0] in own]
    return "\n".join(kept) + "\n"


@pytest.mark.slow
def test_a_scheduler_an_optimizer_and_a_mix_are_three_new_files_each(tmp_path: Path) -> None:
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
    files |= {
        "trainer/optim/sign_sgd.py": SIGN_SGD,
        "conf/optim/sign_sgd.yaml": "name: sign_sgd\n" + shared_keys("optim"),
        "tests/optim/test_sign_sgd.py": SIGN_TEST,
        "trainer/mix/fade.py": FADE,
        "conf/mix/fade.yaml": "name: fade\nfactor: 0.5\n" + shared_keys("mix"),
        "tests/mix/test_fade.py": FADE_TEST,
    }
    for path, content in files.items():
        (copy / path).write_text(content)
    env = {**environment(), "PYTHONPATH": str(copy)}
    overrides = ("scheduler=sqrt", "scheduler.power=0.7", "scheduler.warmup=1st", "optim=sign_sgd")
    done = subprocess.run(
        [sys.executable, "-m", "trainer", *TINY, *overrides, "mix=fade", "hydra.run.dir=run"],
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
    assert "sign_sgd" in shown.stdout
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
        "name: fade\nfactor: 0.25\n" + shared_keys("mix")
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
