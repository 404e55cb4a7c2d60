"""Every command that is printed, to go on, to compare, to train or to write instead, does what it
says when it is typed as it stands, for each way in which a run or sweep can have been started."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.command import PATIENCE_S, TINY, Call, Outcome, environment
from tests.warm import Warm

DDP = "strategy=ddp"
LONG = (*TINY, "epochs=60", "checkpoint.every=1ep", "seed=3")
PLUGIN = """
from dataclasses import dataclass
from trainer.loss import LOSSES
from trainer.loss.cross_entropy import CrossEntropy

@LOSSES.register("plain")
@dataclass(frozen=True)
class Plain(CrossEntropy):
    pass
"""


def commands_in(text: str) -> list[str]:
    """Return the commands that a text prints: on lines of their own, or after a word that says what
    they do."""
    starts = r"(?:torchrun .*? -m trainer|python .*? -m trainer|python -m trainer|trainer)"
    return re.findall(rf"^(?:\w*\s+)?({starts} .+)$", text, re.MULTILINE)


def own_folder(here: Path) -> tuple[str, ...]:
    """Return the words of a run whose optimizer is from a folder of configurations of its own."""
    (here / "my conf" / "optim").mkdir(parents=True)
    (here / "my conf" / "optim" / "gentle.yaml").write_text("name: sgd\nlr: 0.001\n")
    return ("--config-dir", "my conf", "optim=gentle")


def own_plugin(here: Path) -> tuple[str, ...]:
    """Return the words of a run whose loss is from a plugin."""
    package = here / "my_package"
    (package / "conf" / "loss").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "tricks.py").write_text(PLUGIN)
    (package / "conf" / "loss" / "plain.yaml").write_text("name: plain\nlabel_smoothing: 0.1\n")
    return ("plugins=[my_package.tricks]", "loss=plain")


WAYS = {
    "alone": lambda here: (),
    "a folder of its own": lambda here: ("hydra.run.dir=else where/run",),
    "a folder of configurations": own_folder,
    "a plugin": own_plugin,
    "an odd name": lambda here: ("name=it's $HOME",),
    "results elsewhere": lambda here: ("outputs=my results",),
}


# Programs that say the words which a shell makes of a command, each ended by a zero byte.
STAND_INS = "".join(
    f"""{name}() {{ printf '%s\\0' {name} "$@"; }}\n"""
    for name in ("python", "trainer", "torchrun")
)


def typed(warm: Warm, command: str, here: Path) -> Outcome:
    """Type a command into a shell as it stands: the shell splits it, and what it starts is
    forked."""
    shell = subprocess.run(
        ["sh", "-c", f"{STAND_INS}{command}"], cwd=here, capture_output=True, text=True, check=True
    )
    program, *words = shell.stdout.split("\0")[:-1]
    modules = {
        "python": [],
        "trainer": ["-m", "trainer"],
        "torchrun": ["-m", "torch.distributed.run"],
    }
    process = warm.start([*modules[program], *words], here)
    out, err = process.communicate()
    return Outcome(process.wait(), out, err)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_line_to_go_on_goes_on(warm: Warm, here: Path, way: str) -> None:
    words = WAYS[way](here)
    stopped = warm.run([*LONG, *words], here, kill=signal.SIGTERM)
    assert stopped.code == 143, stopped.err
    (command,) = commands_in(stopped.err)
    places = ("outputs/latest", "my results/latest", "else where/run")
    (run,) = ((here / place).resolve() for place in places if (here / place).exists())
    before = json.loads((run / "summary.json").read_text())
    assert before["status"] == "interrupted"
    latest = warm.run([*TINY, "max_steps=1"], here)  # another run is the latest now
    done = typed(warm, command, here)
    assert done.code == 0, done.err
    assert json.loads((run / "summary.json").read_text())["status"] == "completed"
    assert latest.code == 0, latest.err


@pytest.mark.slow
def test_what_was_resumed_through_a_link_is_named_itself(warm: Warm, here: Path) -> None:
    first = warm.run(LONG, here, kill=signal.SIGTERM)
    run = (here / "outputs" / "latest").resolve()
    second = warm.run(["resume=outputs/latest"], here, kill=signal.SIGTERM)
    assert (first.code, second.code) == (143, 143)
    (command,) = commands_in(second.err)
    assert shlex.split(command)[-1] == f"resume={run.relative_to(here)}"


@pytest.mark.slow
def test_a_record_with_a_plugin_names_the_line_that_loads_it(warm: Warm, here: Path) -> None:
    words = own_plugin(here)
    made = warm.run([*TINY, *words, "hydra.run.dir=run"], here)
    assert made.code == 0, made.err
    refused = warm.run(["repeat=run", "seed=5"], here)
    assert refused.code == 2
    (command,) = commands_in(refused.err)
    done = typed(warm, command, here)
    assert done.code == 0, done.err
    assert "seed=5" in command


@pytest.mark.slow
def test_the_line_to_train_with_a_suggested_rate_trains(warm: Warm, here: Path) -> None:
    words = own_plugin(here)
    found = warm.run([*TINY, *words, "task=lr_range", "task.steps=60", "epochs=8"], here)
    assert found.code == 0, found.err
    commands = commands_in(found.out)
    if "suggests  lr" in found.out:
        assert len(commands) == 1
        done = typed(warm, commands[0], here)
        assert done.code == 0, done.err


@pytest.mark.slow
@pytest.mark.parametrize("way", ["a folder of configurations", "a plugin"])
def test_the_lines_of_a_sweep_compare_and_do_what_is_missing(
    warm: Warm, here: Path, way: str
) -> None:
    words = WAYS[way](here)
    line = ["python", "-m", "trainer", *TINY, *words, "-m", "max_steps=2", "seed=0,1"]
    ended = typed(warm, shlex.join(line), here)
    assert ended.code == 0, ended.err
    (compare,) = commands_in(ended.out)
    assert typed(warm, compare, here).code == 0
    (one,) = [path for path in (here / "outputs").glob("*/*/1") if path.is_dir()]
    shutil.rmtree(one)
    beside = [w for w in words if not w.startswith(("optim=", "loss="))]
    resumed = typed(warm, shlex.join([*line[:3], f"resume={one.parent}", *beside]), here)
    assert resumed.code == 0, resumed.out + resumed.err
    assert (one / "summary.json").is_file()


@pytest.mark.slow
def test_arms_are_written_with_what_the_line_had_besides(warm: Warm, here: Path) -> None:
    words = own_plugin(here)
    line = [*words, "-m", *TINY, "max_steps=2", "mix=none,mixup", "mix.alpha=8"]
    refused = warm.run(line, here)
    assert refused.code == 2
    (command,) = commands_in(refused.err)
    done = typed(warm, command, here)
    assert done.code == 0, done.err


def stop_after_a_checkpoint(process: subprocess.Popen[str], here: Path) -> str:
    """Stop a run once it has a checkpoint; return what its processes printed."""
    while not list(here.glob("outputs/*/*/checkpoints/step-*/manifest.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE_S)
    return out + err


@pytest.mark.slow
def test_under_torchrun_the_line_has_its_words(warm: Warm, here: Path) -> None:
    words = ("--standalone", "--nproc-per-node", "2", "--max-restarts", "1")
    process = subprocess.Popen(  # a real one: its line is read from the system
        [sys.executable, "-m", "torch.distributed.run", *words, "-m", "trainer", *LONG, DDP],
        cwd=here,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    printed = stop_after_a_checkpoint(process, here)
    command = commands_in(printed)[0]
    assert "--nproc-per-node 2 --max-restarts 1 -m trainer" in command
    done = typed(warm, command, here)
    assert done.code == 0, done.err
    summary = json.loads((here / "outputs/latest/summary.json").read_text())
    assert (summary["status"], summary["world_size"]) == ("completed", 2)


def on_two_machines(line: str, here: Path) -> list[subprocess.Popen[str]]:
    """Type a line into two shells, as on two machines with one disk."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**environment(), "PATH": programs, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return [
        subprocess.Popen(
            ["sh", "-c", f"exec {line}"],
            cwd=here,
            env=env,
            text=True,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )
        for _ in range(2)
    ]


@pytest.mark.slow
def test_what_two_machines_print_goes_on_when_it_is_typed_on_both(here: Path) -> None:
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    words = f"--nnodes 2 --nproc-per-node 1 --rdzv-backend c10d --rdzv-endpoint localhost:{port}"
    line = f"torchrun {words} -m trainer {shlex.join(LONG)}"
    first, second = on_two_machines(line, here)
    printed = stop_after_a_checkpoint(first, here)  # the other one ends with it
    printed += "".join(second.communicate(timeout=120))
    assert "; to go on, on each machine:\n" in printed
    command = commands_in(printed)[0]
    assert words in command
    again = on_two_machines(command, here)
    errors = [process.communicate(timeout=240)[1] for process in again]
    assert [process.returncode for process in again] == [0, 0], errors
    summary = json.loads((here / "outputs/latest/summary.json").read_text())
    assert (summary["status"], summary["world_size"]) == ("completed", 2)


@pytest.mark.slow
def test_a_wheel_of_its_own_environment_prints_what_it_is_called_by(
    wheel: Path, here: Path
) -> None:
    place = here.parent / "environment"
    venv.create(place, symlinks=True)
    (site,) = place.glob("lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))  # torch is there already
    with zipfile.ZipFile(wheel) as content:
        content.extractall(site)
    program = place / "bin" / "trainer"  # as pip writes it
    program.write_text(
        f"#!{place}/bin/python\nimport sys\nfrom trainer.cli.main import main\nsys.exit(main())\n"
    )
    program.chmod(0o755)
    env = {k: v for k, v in environment().items() if k != "PYTHONPATH"}
    env["PATH"] = f"{program.parent}:{env['PATH']}"
    words = [*own_plugin(here), *LONG, "outputs=my results"]
    run = subprocess.Popen([program, *words], cwd=here, env=env, stderr=subprocess.PIPE, text=True)
    while run.poll() is None and not list(here.glob("my results/*/*/checkpoints/step-*")):
        time.sleep(0.1)
    run.terminate()
    (command,) = commands_in(run.communicate(timeout=120)[1])
    assert command.startswith("trainer 'plugins=[my_package.tricks]' 'resume=my results/default/")
    done = subprocess.run(command, shell=True, cwd=here, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary = json.loads((here / "my results/latest/summary.json").read_text())
    assert summary["status"] == "completed"


@pytest.mark.slow
def test_a_sweep_under_torchrun_is_answered_by_the_line_that_sweeps(warm: Warm, here: Path) -> None:
    words = ["--standalone", "--nproc-per-node", "2", "-m", "trainer"]
    process = warm.torchrun([*words, "-m", *TINY, "max_steps=2", "seed=0,1"], here)
    _, err = process.communicate()
    command = next(c for c in commands_in(err) if c.endswith("strategy.processes=2"))
    done = typed(warm, command, here)
    assert done.code == 0, done.err


def test_a_tick_of_the_shell_ends_no_command(call: Call) -> None:
    outcome = call("loss=distill", "loss.teacher_model=a b:[it's")
    (hint,) = re.findall(r"quote it if it is text: (.*)$", outcome.err.strip())
    assert shlex.split(hint)[0].startswith("loss.teacher_model='")


@pytest.mark.slow
def test_a_pickle_is_converted_by_the_line_that_refuses_it(warm: Warm, here: Path) -> None:
    made = warm.run([*TINY, "hydra.run.dir=run"], here)
    assert made.code == 0, made.err
    (weights,) = here.glob("run/checkpoints/*/model.safetensors")
    torch.save(safetensors.torch.load_file(weights), here / "it's mine.pth")
    refused = warm.run([*TINY, "init_from=it's mine.pth"], here)
    assert refused.code == 2
    command = refused.err.strip().splitlines()[-1].strip()
    done = typed(warm, command, here)
    assert done.code == 0, done.err
    taken = warm.run([*TINY, "init_from=it's mine.pth.safetensors"], here)
    assert taken.code == 0, taken.err


@pytest.mark.slow
def test_a_plugin_s_names_are_in_the_help_and_a_name_without_yaml_is_told(
    warm: Warm, here: Path
) -> None:
    words = own_plugin(here)
    shown = warm.run([words[0], "--help"], here)
    assert shown.code == 0, shown.err
    assert re.search(r"loss= +cross_entropy, distill, plain\n", shown.out)
    (here / "my_package" / "conf" / "loss" / "plain.yaml").unlink()
    refused = warm.run([*TINY, *words], here)
    assert "loss=plain is registered by a plugin and has no YAML" in refused.err


@pytest.mark.slow
def test_the_console_script_finds_plugins_where_it_is_typed(here: Path) -> None:
    words = own_plugin(here)
    code = "import sys; sys.path.pop(0); from trainer.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *TINY, *words, "max_steps=1"],
        cwd=here,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
