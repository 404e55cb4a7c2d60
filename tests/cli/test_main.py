"""The command line: flags, Hydra's own, and what is refused before anything happens."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from tests.command import TINY, Call, snapshot
from trainer.cli.arguments import take_apart
from trainer.cli.help import HELP
from trainer.core.environment import RANKS
from trainer.core.errors import ConfigError


def test_a_line_is_taken_apart() -> None:
    line = take_apart(
        ["-m", "optim.lr=-0.1,3", "--config-dir=mine", "-cn", "other", "plugins=[a.b, c]", "x=-1"]
    )
    assert line.is_sweep
    assert line.overrides == ("optim.lr=-0.1,3", "x=-1")
    assert line.values == {"config_dir": "mine", "config_name": "other"}
    assert line.plugins == ("a.b", "c")
    assert take_apart(["resume=a=b, c"]).resume == "a=b, c"
    assert not take_apart(["seed=1"]).is_sweep
    with pytest.raises(ConfigError, match="--cfg needs a value"):
        take_apart(["--cfg"])


def test_version_is_ours(call: Call) -> None:
    from trainer import __version__

    assert call("--version").out == f"trainer {__version__}\n"


@pytest.mark.slow
def test_cfg_job_shows_what_would_run_with_replaced_parts(call: Call) -> None:
    shown = call("+experiment=mnist", "optim=adam", "--cfg", "job")
    assert shown.code == 0, shown.err
    tree = yaml.safe_load(shown.out)
    assert tree["optim"]["lr"] in (0.001, "1e-3")
    assert tree["model"]["width"] == 16
    assert "# optim=adam replaces the preset's sgd" in shown.out
    part = call("--cfg", "job", "--package", "optim")
    assert yaml.safe_load(part.out)["name"] == "sgd"
    wrong = call("--cfg", "job", "--package", "nothing")
    assert (wrong.code, wrong.err.count("error: ")) == (2, 1)


@pytest.mark.slow
def test_hydra_s_flags_answer_and_leave_nothing(call: Call, here: Path) -> None:
    for flags in (
        ["--info"],
        ["--info", "searchpath"],
        ["--info", "defaults-tree"],
        ["--hydra-help"],
    ):
        done = call(*flags)
        assert done.code == 0, done.err
        assert done.out
    assert snapshot(here) == {}


@pytest.mark.slow
def test_a_folder_of_configurations_of_one_s_own_is_searched_first(call: Call, here: Path) -> None:
    (here / "mine" / "optim").mkdir(parents=True)
    (here / "mine" / "optim" / "gentle.yaml").write_text("name: sgd\nlr: 0.001\n")
    shown = call("--config-dir", "mine", "optim=gentle", "--cfg", "job")
    assert shown.code == 0, shown.err
    assert yaml.safe_load(shown.out)["optim"]["lr"] == 0.001
    done = call("--config-dir", "mine", *TINY, "max_steps=1", "optim=gentle", "hydra.run.dir=run")
    assert done.code == 0, done.err
    tree = yaml.safe_load((here / "run" / "config.yaml").read_text())
    assert tree["optim"] == {**tree["optim"], "name": "sgd", "lr": 0.001, "momentum": 0.9}


def test_resume_and_repeat_do_not_go_together(call: Call) -> None:
    done = call("resume=a", "repeat=b")
    assert done.code == 2
    assert "name one of them" in done.err


def test_a_process_beside_which_no_first_is_known_tells_its_own_error(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in zip(RANKS, ("1", "1", "3", "2", "127.0.0.1", "29511"), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    done = call("data=synthetic", "batch_size=64", "strategy.start_timeout=1s")
    assert done.code == 2
    assert done.err.startswith("error: batch_size=64 cannot be shared by 3 process(es)")


@pytest.mark.slow
def test_the_examples_of_the_help_compose() -> None:
    from trainer.composition.compose import compose_overrides

    lines = [x.split("  ") for x in HELP.splitlines() if x.startswith("  {program}")]
    commands = [shlex.split(parts[1]) for parts in lines]
    assert len(commands) >= 5
    for command in commands:
        overrides = [w for w in command[1:] if not w.startswith(("-m", "resume")) and "," not in w]
        compose_overrides(overrides)


def test_an_interrupted_start_ends_with_130(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.cli import main as cli

    def interrupted(*arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "answer", interrupted)
    assert call(*TINY).code == 130
