"""Every command of the README runs from an installed wheel, which holds what the checkout does:
tests/test_package.py checks that."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import ROOT, TINY, environment
from tests.warm import Warm

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.split("  #")[0].strip()
    for language, text in BLOCKS
    if not language and not text.startswith("$")
    for line in text.splitlines()
]
PYTHON = next(text for language, text in BLOCKS if language == "python" and "read_runs" in text)

LEFT_OUT = {
    "python -m pip install -e .": "it downloads torch; the wheel below is installed instead",
    "make run": "it is of a checkout, and the same as python -m trainer",
    "make test": "it is what runs this test",
    "tensorboard --logdir outputs/default": "it is a server, which does not end",
}
SHORT = ("max_steps=2", "threads=1")
# To commands that begin so, the longest beginning counts. Runs are shortened, since they take
# minutes, and schedules and averages with them; data are those in the package, others downloads.
APPENDED = {
    "python -m trainer": SHORT,
    "python -m trainer mix=mixup average=swa": (*SHORT, "average.start=50%", "average.every=1st"),
    "python -m trainer +experiment=mnist": ("data=digits", "max_steps=10", "threads=1"),
    "python -m trainer +experiment=bag_of_tricks/mixup": (
        "data=digits",
        *SHORT,
        "scheduler.warmup=0ep",
    ),
    "python -m trainer resume=": (),
    "python -m trainer --help": (),
    "python -m trainer task=evaluate": (),
    "python -m trainer task=lr_range": ("threads=1", "task.steps=25"),
    "python -m trainer explain": (),
    "python -m trainer demo": ("--seeds", "2", *SHORT),
    "python -m trainer study": ("--seeds", "2", "--trials", "1", "data=digits", *SHORT),
    "torchrun": SHORT,
    "python -m trainer ls": (),
    "python -m trainer rm": ("--yes",),  # there is no terminal that it could ask on
    "python -m trainer curves": (),
    "python -m trainer slices": (),
    "python -m trainer lr_tradeoff": (),
    "python -m trainer compare": (),
    "python -m trainer playground": (),
    "python -m trainer report": (),
    "python -m trainer flatness": (
        *("--points", "2", "--segment-points", "3", "--rays", "2", "--ray-points", "2"),
        *("--train-images", "64", "--bn-images", "64", "--test-images", "64", "--threads", "1"),
    ),
}
BEFORE = {  # what the README says makes the runs of a line, at a toy size
    "lr_batch_cpu": ("-m", *TINY, "optim.lr=0.1,0.2,0.4", "batch_size=16,32"),
    "lr_tradeoff": ("-m", *TINY, "optim.lr=0.1,0.2,0.4"),
    "swa": (*TINY, "average=swa", "average.start=50%", "average.every=1st"),
}


@dataclass(frozen=True)
class Place:
    """Where commands are run, and by what.

    Attributes:
        folder: the working one.
        python: of the environment with the wheel.
        env: of its processes.
        warm: forks for them.
    """

    folder: Path
    python: Path
    env: dict[str, str]
    warm: Warm


@pytest.fixture(scope="module")
def place(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An environment with the wheel and, from this one, what it requires."""
    made = tmp_path_factory.mktemp("installed")
    venv.create(made / "env", with_pip=False)
    python = made / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps"]
    subprocess.run([*pip, "--no-index", str(wheel)], check=True, capture_output=True)
    (site,) = (made / "env").glob("lib/python*/site-packages")
    (site / "required.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (made / "server" / "tests").mkdir(parents=True)  # without the checkout's sources beside it
    for name in ("command.py", "forked.py", "warm.py"):
        shutil.copy(ROOT / "tests" / name, made / "server" / "tests" / name)
    env = {k: v for k, v in environment().items() if k != "PYTHONPATH"}
    env["PATH"] = f"{python.parent}{os.pathsep}{env['PATH']}"
    folder = made / "folder"
    folder.mkdir()
    server = Warm((made / "server",), python)
    where = "from trainer.composition.search_path import CONF; print(CONF)"
    found, _ = server.start(["-c", where], folder).communicate()
    assert found == f"{site / 'trainer' / 'conf'}\n"
    yield Place(folder, python, env, server)
    server.close()


def test_the_readme_s_commands_are_found_and_each_is_run_or_left_out_for_a_reason() -> None:
    assert len(COMMANDS) == 31
    assert set(LEFT_OUT) <= set(COMMANDS)
    beginnings = {beginning_of(c) for c in COMMANDS if c not in LEFT_OUT}
    assert beginnings == set(APPENDED), "an entry that is of no command any more"


def test_commands_within_the_text_name_a_subcommand_and_a_study() -> None:
    from trainer.cli.subcommands import SUBCOMMANDS
    from trainer.study.spec import names

    found = [tuple(t.split()) for t in re.findall(r"`python -m trainer ([a-z_ ]+)`", README)]
    assert len(found) >= 10
    for name, *rest in found:
        assert name in SUBCOMMANDS
        assert name not in ("demo", "study") or set(rest) <= {*names(), "all"}
    assert "scripts." not in README


def beginning_of(command: str) -> str:
    return max((start for start in APPENDED if command.startswith(start)), key=len)


def arguments_of(command: str, folder: Path) -> list[str]:
    """Return the arguments of a command, shortened, with a run or sweep for `<run>` and so on."""
    line = re.sub(r"[\w/]+/<(run|sweep)>", lambda m: made_in(folder, m[0], m[1]), command)
    return [*shlex.split(line), *APPENDED[beginning_of(command)]]


def made_in(folder: Path, text: str, kind: str) -> str:
    """Return the first run or sweep in the folder that a command names."""
    file = "sweep.yaml" if kind == "sweep" else "run.log"
    found = sorted(folder.glob(f"{text.rpartition('/')[0]}/*/{file}"))
    assert found, f"nothing for {text}"
    return str(found[0].parent.relative_to(folder))


@pytest.mark.slow
def test_every_command_runs(place: Place) -> None:
    asked = 0

    def run(name: str, words: Sequence[str]) -> None:
        nonlocal asked
        asked += 1
        process = place.warm.start(words, place.folder, env=place.env)
        out, err = process.communicate()
        assert process.wait() == 0, f"{name}\n{out}\n{err}"
        assert "Traceback" not in err, name

    for name, overrides in BEFORE.items():
        run(name, ["-m", "trainer", f"name={name}", *overrides])
    for command in COMMANDS:
        if command.startswith("python -m trainer"):
            run(command, arguments_of(command, place.folder)[1:])
    assert asked == len(COMMANDS) - len(LEFT_OUT) + len(BEFORE) - 1  # torchrun is below
    assert (place.folder / "outputs" / "latest" / "curves.png").is_file()


@pytest.mark.slow
def test_torchrun_python_and_the_refusal_are_as_written(place: Place) -> None:
    (torchrun,) = (c for c in COMMANDS if c.startswith("torchrun"))
    _, *rest = arguments_of(torchrun, place.folder)
    code = PYTHON.replace('"epochs=5"', '"max_steps=2", "threads=1"')
    assert code != PYTHON
    for words in (["-m", "torch.distributed.run", *rest], ["-c", code]):
        process = place.warm.start(words, place.folder, env=place.env)
        _, err = process.communicate()
        assert process.wait() == 0, err
    refused = re.search(r"^\$ python -m (trainer .*)\n(error: .*), \.\.\.$", README, re.MULTILINE)
    assert refused is not None
    done = subprocess.run(
        [place.python, "-m", *shlex.split(refused[1])],
        cwd=place.folder,
        env=place.env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(refused[2])
